"""Model files from the command line."""

import json


def test_model_files_are_listed_by_the_name_under_which_they_are_used(memgpt) -> None:
    """With the model that is used where none is named."""
    assert "Get the embedded model: memgpt model pull" in memgpt.ok("model", "list")
    (memgpt.home / "models").mkdir(parents=True)
    (memgpt.home / "models" / "tiny.gguf").write_bytes(b"x" * 1000)
    printed = json.loads(memgpt.ok("model", "list", "--json"))
    assert printed["default"] == "local"
    assert [(file["name"], file["size_bytes"]) for file in printed["files"]] == [("local:tiny", 1000)]


def test_a_model_that_cannot_be_pulled_is_named(memgpt) -> None:
    """With those that can."""
    result = memgpt("model", "pull", "gpt-9")
    assert result.exit_code == 1
    assert result.stderr.startswith("ModelNotFound: No model 'gpt-9' can be pulled; there is: qwen2.5-coder-1.5b-instruct.")
