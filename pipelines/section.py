"""What every section of a recipe is made of."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Split = Literal["train", "val", "test"]


class Section(BaseModel):
    """One named part of a recipe: typed, frozen, strict."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
