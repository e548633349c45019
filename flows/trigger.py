"""Starting a run of a deployment, where the server has it."""

from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

RETRAIN, DEPLOY = "retrain/retrain", "deploy/deploy"


def start(deployment: str, parameters: dict[str, Any], **more: Any) -> FlowRun | None:
    """Start a run and go on; it is nobody's subflow.

    Args:
        deployment: `<flow>/<name>`, as prefect.yaml has it.
        parameters: of the flow; those that are left out are the deployment's.
        more: what `prefect.deployments.run_deployment` takes as well.
    Returns:
        the run; None where the server has no such deployment, of which `absent` tells.
    """
    try:
        return run_deployment(deployment, parameters=parameters, timeout=0, as_subflow=False, **more)
    except ObjectNotFound:
        return None


def absent(deployment: str) -> str:
    """What to say where the server has no such deployment."""
    return f"There is no deployment {deployment}, so that nothing was started: `make server` makes it."
