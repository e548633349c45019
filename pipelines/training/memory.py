"""What to say when a device is out of memory."""


def memory_sentence(batch: int) -> str:
    """What to do when a step of that many images did not fit."""
    if batch == 1:
        return (
            "The device ran out of memory with one image a step. "
            "Choose a smaller model or image, or train.precision: bfloat16."
        )
    return (
        f"The device ran out of memory with {batch} images a step. "
        f"Try train.batch: {batch // 2}, a smaller model or image, or train.precision: bfloat16."
    )
