"""What can be asked of the service, as an OpenAPI 3.1 document that a client can be generated from.

BentoML writes one too, which knows neither the forms that `serving.uploads` reads nor the errors that they meet.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipelines.notice import NOTICE
from serving.answers import Error, Examples, Prediction
from serving.settings import Settings
from serving.uploads import MOST_FILES, SIDES, USUAL_OPACITY

SCHEMAS: tuple[type[BaseModel], ...] = (Prediction, Error, Examples)
CALLS = ("/predict", "/explain", "/predict_batch", "/card", "/examples")
FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
FILM = {**FILE, "description": "A film: JPEG, PNG or DICOM."}
FAULTS = {
    400: "The form cannot be read, or a field of it.",
    401: "The API key is missing or wrong.",
    408: "The request took too long to arrive.",
    413: "The request is too large.",
    415: "The request is no multipart form.",
    422: "The film is no picture that can be read, or of a kind that is refused.",
    503: "The service is busy. Ask again after as many seconds as Retry-After says.",
}
FORM_FAULTS = (400, 408, 413, 415, 422, 503)
ANY_FAULTS = (408, 413, 503)


def document(settings: Settings) -> dict[str, Any]:
    """The document of a service with these settings."""
    schemas = models_json_schema(
        [(schema, "serialization") for schema in SCHEMAS], ref_template="#/components/schemas/{model}"
    )[1]
    components: dict[str, Any] = {"schemas": schemas["$defs"]}
    told: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "filmgate", "version": "1", "description": f"Classifies medical films. {NOTICE}"},
        "paths": _calls(bool(settings.api_key)) | _pages(),
        "components": components,
    }
    if settings.api_key:
        components["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    return told


def _calls(keyed: bool) -> dict[str, Any]:
    one = {"image": FILM}
    several = {"images": {"type": "array", "items": FILM, "minItems": 1, "maxItems": MOST_FILES}}
    answers = {"type": "array", "items": {"anyOf": [_named(Prediction), _named(Error)]}, "maxItems": MOST_FILES}
    return {
        "/predict": _post("predict", "Classify one film", _json(_named(Prediction)), keyed, one),
        "/explain": _post("explain", "The film with its heatmap", _png(), keyed, one, _drawing()),
        "/predict_batch": _post("predict_batch", "Classify several films", _json(answers), keyed, several),
        "/card": _post("card", "The card of the model", _json({"type": "object"}), keyed),
        "/examples": _post("examples", "Films to try, and their answers", _json(_named(Examples)), keyed),
    }


def _drawing() -> dict[str, Any]:
    return {
        "opacity": {"type": "number", "minimum": 0, "maximum": 1, "default": USUAL_OPACITY},
        "size": {
            "type": "integer",
            "minimum": SIDES[0],
            "maximum": SIDES[1],
            "description": "Pixels of the longer side at most; without it the film stays as large as it is.",
        },
        "window_center": {"type": "number", "minimum": -1e9, "maximum": 1e9, "description": "Of a DICOM film."},
        "window_width": {"type": "number", "minimum": 1, "maximum": 1e9, "description": "Of a DICOM film."},
    }


def _post(
    name: str,
    summary: str,
    good: dict[str, Any],
    keyed: bool,
    files: dict[str, Any] | None = None,
    fields: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One call; without files it takes nothing."""
    faults = (*(ANY_FAULTS if files is None else FORM_FAULTS), *((401,) if keyed else ()))
    call: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {"200": good} | {str(status): _fault(status) for status in sorted(faults)},
    }
    if keyed:
        call["security"] = [{"key": []}]
    if files is not None:
        form: dict[str, Any] = {"type": "object", "properties": files | (fields or {}), "required": [*files]}
        if fields and "window_center" in fields:
            form["dependentRequired"] = {
                "window_center": ["window_width"],
                "window_width": ["window_center"],
            }
        call["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    return {"post": call}


def _pages() -> dict[str, Any]:
    """What is there for those who run the service."""
    pages = {
        "/livez": ("livez", "The process lives", "text/plain"),
        "/readyz": ("readyz", "It is ready to answer", "text/plain"),
        "/metrics": ("metrics", "Figures for Prometheus", "text/plain"),
        "/docs.json": ("docs", "This document", "application/json"),
    }
    return {
        path: {
            "get": {
                "operationId": name,
                "summary": summary,
                "responses": {"200": {"description": summary, "content": {kind: {}}}},
            }
        }
        for path, (name, summary, kind) in pages.items()
    }


def _fault(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {"description": FAULTS[status], "content": {"application/json": {"schema": _named(Error)}}}
    if status == 503:
        told["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return told


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "The answer", "content": {"application/json": {"schema": schema}}}


def _png() -> dict[str, Any]:
    window = {
        "description": "Of a DICOM film: centre and width of its window, its lowest and its highest value.",
        "schema": {"type": "string"},
    }
    return {
        "description": "The picture",
        "headers": {"Filmgate-Window": window},
        "content": {"image/png": {"schema": FILE}},
    }


def _named(schema: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema.__name__}"}
