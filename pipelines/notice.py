"""What stands beside every answer, on the page and in every model card."""

NOTICE = "For research use only. This is not a medical device, and no diagnosis may rest on its answer."
