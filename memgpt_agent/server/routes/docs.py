"""The documentation of the routes as one page, made of the OpenAPI document; nothing in it is fetched from elsewhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
_STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:13px/1.4 ui-monospace,monospace}pre{overflow:auto;padding:.7rem;border:1px solid #8884;border-radius:.4rem}
summary{cursor:pointer;padding:.3rem 0}summary code{font-weight:600}section{margin-bottom:2rem}table{border-collapse:collapse}
td{padding:.15rem .8rem .15rem 0;vertical-align:top}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
Data = Mapping[str, Any]


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """Return the page."""
    return HTMLResponse("".join(_page(request.app.openapi())), headers={"content-security-policy": _POLICY})


def _page(document: Data) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>{title}</title>"
    yield f"<style>{_STYLE}</style><h1>{title}</h1><p>{escape(document['info'].get('description') or '')}</p>"
    yield "<p>The same for programs: <a href=openapi.json>openapi.json</a></p>"
    by_tag: dict[str, list[tuple[str, str, Data]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault((operation.get("tags") or ["other"])[0], []).append((path, method, operation))
    schemas = document.get("components", {}).get("schemas", {})
    for tag, operations in by_tag.items():
        yield f"<section><h2>{escape(tag)}</h2>"
        for path, method, operation in operations:
            yield from _operation(path, method, operation, schemas)
        yield "</section>"


def _operation(path: str, method: str, operation: Data, schemas: Data) -> Iterator[str]:
    yield f"<details><summary><code>{method.upper()} {escape(path)}</code> {escape(operation.get('summary') or '')}</summary>"
    yield f"<p>{escape(operation.get('description') or '')}</p>"
    parameters: list[Any] = operation.get("parameters") or []
    if parameters:
        yield "<table>"
        for one in parameters:
            schema: Data = one.get("schema") or {}
            description = str(one.get("description") or schema.get("description") or schema.get("title") or "")
            yield f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}<td>{escape(description)}"
        yield "</table>"
    body: Data = operation.get("requestBody") or {}
    contents: Data = body.get("content") or {}
    for content in contents.values():
        yield from _body(content.get("schema", {}), schemas)
    yield "</details>"


def _body(schema: Data, schemas: Data) -> Iterator[str]:
    named = next((one["$ref"] for one in (schema, *schema.get("anyOf", ())) if "$ref" in one), "")
    found: Data = schemas.get(named.rsplit("/", 1)[-1], {})
    if not found:
        return
    yield "<table>"
    for name, field in found.get("properties", {}).items():
        yield f"<tr><td><code>{escape(name)}</code><td>{escape(field.get('description') or field.get('title') or '')}"
    yield "</table>"
    if "example" in found:
        yield f"<pre>{escape(json.dumps(found['example'], indent=2, ensure_ascii=False))}</pre>"
