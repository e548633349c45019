"""The remote of DVC as the project names it today, which the commit of a version may be older than."""

from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows.noise import without_noise
from flows.strict_dvc import LostError, complete
from pipelines.errors import RemoteError


def remote(project: Path) -> str | None:
    """Name of the default remote; None where there is none."""
    with Repo(str(project)) as repo:
        name: str | None = repo.config["core"].get("remote")
    return name


def push_versions(project: Path) -> int:
    """Bring all that the tags of versions name, as far as it is here, to the remote of today.

    `dvc push --all-tags` asks each commit where its files belong, and passes by those that knew no remote.

    Returns:
        how many files were not there yet.
    Raises:
        RemoteError: there is no remote, it does not take them, or some of them are nowhere.
    """
    with Repo(str(project)) as repo:
        name, known = repo.config["core"].get("remote"), repo.config["remote"]
    if name is None:
        raise RemoteError("The project has no remote for its versions. Name one: dvc remote add -d store <where>")
    with Repo(str(project), remote=name, remote_config=dict(known[name])) as repo, without_noise():
        repo.drop_data_index()  # what an earlier push took for pushed is looked at again
        try:
            with complete():
                return int(repo.push(all_tags=True, workspace=False))
        except LostError as error:
            raise RemoteError(
                f"Of what versions name, {error}; all else is there now. "
                "Run this in the project where they were made, or where they still are."
            ) from None
        except (DvcException, OSError) as error:
            raise RemoteError(
                f"The remote {name} did not take the versions ({' '.join(str(error).split())}). "
                "Mend it (`dvc remote list`), and try again: what arrived is not sent twice."
            ) from None
