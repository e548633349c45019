"""The monitoring flow: what the service answered, held against what the model in production was tested on.

python -m flows.monitor --recipe demo
python -m flows.monitor --recipe demo --log /var/log/filmgate --truth labels.csv --service http://127.0.0.1:3000
"""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.states import Completed, Failed

from flows.notify import about_failure
from flows.project import project
from flows.registry import fetch
from flows.server import answering, exit_unless_completed, nearest_server
from flows.service_health import ask
from flows.trigger import RETRAIN, absent, start
from pipelines.errors import FilmgateError, ReleaseError
from pipelines.monitoring import history as histories
from pipelines.monitoring.log import read_logs
from pipelines.monitoring.policy import LABELS, episode, step
from pipelines.monitoring.reference import read_reference
from pipelines.monitoring.report import Found, markdown, render
from pipelines.monitoring.sentences import labelled, verdict
from pipelines.monitoring.shift import sides
from pipelines.monitoring.truth import Truth, read_labels, truth
from pipelines.monitoring.windows import cut, judge
from pipelines.recipe_file import load
from pipelines.registry import production
from pipelines.stage import fresh_file

STATE = Path(".filmgate")
REPORT, LATE = "report.html", "labels.csv"
EVENT = "filmgate.drift.noticed"


def release_of_production(root: Path, recipe: str) -> Path:
    """The folder with the release that is watched.

    It is that of the version in production by the registry; else the one that the working copy is held against; else
    the newest of the working copy.
    """
    if (root / ".git").exists() and (current := production(root, recipe)):
        return fetch(root, recipe, current)
    named = root / "data" / "production" / recipe
    return named if named.is_dir() else root / "data" / recipe / "release"


@flow(name="monitor", flow_run_name="monitor {recipe}", on_failure=[about_failure], on_crashed=[about_failure])
def monitor(
    recipe: str = "demo", logs: Sequence[str] = (), labels: str | None = None, service: str | None = None
) -> State:
    """Look for drift in what the service answered, and trigger retraining where the recipe says so.

    Args:
        recipe: A name in params.yaml.
        logs: Folders of prediction logs; `.filmgate/predictions/<recipe>` if none is given.
        labels: CSV file of `sha256,label`; `.filmgate/monitoring/<recipe>/labels.csv` if none is given and it is there.
        service: Address of the service whose health is asked for.
    """
    folder = project() / STATE / "monitoring" / recipe
    default = folder / LATE if (folder / LATE).is_file() else None
    late = Path(labels) if labels else default
    read = [Path(one) for one in logs] or [project() / STATE / "predictions" / recipe]
    try:
        found = look(recipe, read, late, service, datetime.now(UTC))
        retrained = tell(found, folder)
        with fresh_file(folder / REPORT) as partial:
            partial.write_text(render(found), encoding="utf-8")
    except FilmgateError as error:
        return Failed(message=str(error))
    except OSError as error:
        return Failed(message=f"Monitoring of {recipe} cannot read or write: {error}. Mend this, and monitor again.")
    said = markdown(found) + (f"\n\n{retrained}" if retrained else "")
    create_markdown_artifact(said, key=f"{recipe}-monitoring", description=f"Monitoring of {recipe}")
    print(summary(found, retrained, folder / REPORT), flush=True)
    return Completed(message=" ".join([found.verdict.headline, *found.verdict.sentences[:1]]))


def look(recipe: str, logs: Sequence[Path], labels: Path | None, service: str | None, now: datetime) -> Found:
    """All that is found of the model in production; nothing is written.

    Args:
        logs: folders of prediction logs.
        labels: CSV file of late labels.
        service: address of a service.
    Raises:
        FilmgateError: recipe, release, history or labels cannot be read.
    """
    task = load(project() / "recipes" / f"{recipe}.yaml")
    release, rules = release_of_production(project(), recipe), task.monitor
    reference = read_reference(release)
    log = read_logs(logs, reference, now)
    watched = sides(reference)
    judgements = [judge(window, watched, rules) for window in cut(log.films, rules.window, now)]
    folder = project() / STATE / "monitoring" / recipe
    windows = histories.with_judgements(
        histories.read_rows(folder / histories.WINDOWS, histories.WINDOW_COLUMNS), judgements, reference.sha256
    )
    known = None
    if labels is not None:
        known = truth(log.films, read_labels(labels), reference, _tested(release))
    health, faults = ask(service, reference.sha256) if service else (None, [])
    since = episode(windows, reference.sha256, now, rules.window)
    said = verdict(judgements, since, known, rules.films)
    alarm = since if said.kind == "drift" else (LABELS if said.kind == "worse" else None)
    retrains = histories.read_rows(folder / histories.RETRAINS, histories.RETRAIN_COLUMNS)
    return Found(
        reference=reference,
        rules=rules,
        title=task.title,
        now=now,
        judgements=judgements,
        history=windows,
        answers=log.films["time"],
        notes=(*log.notes, *(known.notes if known else ())),
        truth=known,
        health=health,
        unhealthy=faults,
        verdict=said,
        step=step(alarm, retrains, reference.sha256, now, rules),
    )


def tell(found: Found, folder: Path) -> str | None:
    """Emit the event of each new alarm, trigger the retraining, and then remember both and the windows.

    Whoever is killed in between tells once more; the retraining is the same run then, by its key.

    Returns:
        What became of the retraining, in a sentence; None where none is due.
    """
    model, recipe = found.reference.sha256, found.reference.recipe
    told = histories.read_rows(folder / histories.ALARMS, histories.ALARM_COLUMNS)
    for alarm in _alarms(found):
        if not ((told["model"] == model) & (told["alarm"] == alarm)).any():
            emit_event(
                event=EVENT,
                resource={"prefect.resource.id": f"filmgate.recipe.{recipe}", "prefect.resource.name": recipe},
                payload={"model": found.reference.version, "alarm": alarm, "verdict": list(found.verdict.sentences)},
            )
            told = histories.with_row(told, time=found.now, model=model, alarm=alarm)
    histories.write_rows(told, folder / histories.ALARMS)
    said = _retrain(found, folder) if found.step.retrain else None
    histories.write_rows(found.history, folder / histories.WINDOWS)
    return said


def _alarms(found: Found) -> list[str]:
    """The alarms that hold now: the window that the verdict rests on, and late labels."""
    subject = found.verdict.subject
    drifted = [str(subject.window.start.date())] if subject is not None and subject.verdict == "drift" else []
    return drifted + ([LABELS] if found.truth is not None and found.truth.implausible else [])


def _retrain(found: Found, folder: Path) -> str:
    """Trigger the deployment that retrains, and remember it; a sentence."""
    model, recipe, current = found.reference.sha256, found.reference.recipe, str(found.step.episode)
    key = f"drift {recipe} {model[:12]} {current}"
    run = start(RETRAIN, {"recipe": recipe}, tags=["drift"], idempotency_key=key)
    if run is None:
        return absent(RETRAIN)
    file = folder / histories.RETRAINS
    rows = histories.read_rows(file, histories.RETRAIN_COLUMNS)
    rows = histories.with_row(rows, time=found.now, model=model, episode=current, run=str(run.id))
    histories.write_rows(rows, file)
    return f"Flow run {run.name} of {RETRAIN} was created."


def _tested(release: Path) -> dict[str, Any]:
    """Figures of the test, as the release tells them."""
    try:
        return dict(json.loads((release / "release.json").read_text(encoding="utf-8"))["metrics"]["test"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"{release / 'release.json'} does not tell the figures of the test ({error!r}).") from None


def summary(found: Found, retrained: str | None, report: Path) -> str:
    """What the terminal is told."""
    lines: list[str] = [f"{found.reference.recipe} {found.reference.version}: {found.verdict.headline}"]
    told: list[str] = [*found.verdict.sentences, *found.unhealthy, *found.notes, found.step.sentence]
    known: Truth | None = found.truth
    told += [labelled(known)] if known is not None else []
    told += [retrained] if retrained else []
    return "\n".join([*lines, *(f"  {sentence}" for sentence in told), f"  report   {report}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Monitor from the command line; the exit status is 1 when that cannot be done, and 0 also where there is drift."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="demo", help="a name in params.yaml")
    parser.add_argument("--log", dest="logs", action="append", default=[], metavar="DIR", help="once for each server")
    parser.add_argument("--truth", metavar="FILE", help="CSV file of sha256,label")
    parser.add_argument("--service", metavar="URL", help="ask it for its health")
    chosen = parser.parse_args(arguments)
    with nearest_server(), answering():
        state = monitor(chosen.recipe, chosen.logs, chosen.truth, chosen.service, return_state=True)
    exit_unless_completed(state)


if __name__ == "__main__":
    main()
