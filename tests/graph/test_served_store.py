"""What a server is told that others can reach and that authenticates nobody."""

import pytest

from memgpt_agent.graph.served_store import exposure


@pytest.mark.parametrize("url", ["http://0.0.0.0:2024", "http://192.168.1.4:2024/prefix", "https://agents.example.org", "http://[::]:2024", ""])
def test_an_open_server_without_auth_is_told_so(url: str) -> None:
    """Also where it cannot be known on which address it listens: in a container, say."""
    told = exposure({"LANGGRAPH_API_URL": url})
    assert "AUTHENTICATES NOBODY" in told
    assert exposure({"LANGGRAPH_API_URL": url, "LANGGRAPH_AUTH": '{"path": "a:b"}'}) == ""


@pytest.mark.parametrize("url", ["http://127.0.0.1:2024", "http://localhost:2024", "http://[::1]:2024", "http://127.0.0.2:1"])
def test_a_server_on_loopback_is_told_nothing(url: str) -> None:
    """It is the person's at the machine."""
    assert exposure({"LANGGRAPH_API_URL": url}) == ""
