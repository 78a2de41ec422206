"""The terms of a page, each explained where a reader points at it, and in a list at the end."""

# By the word that a heading begins with.
TERMS = {
    "broke": "a run that stayed at chance level at least as long as its rise takes, and then left it",
    "no plateau": "a run that learned from the start: its delay is far shorter than what the rise takes",
    "shoulder": "a run that learned after a delay that is shorter than the rise itself",
    "stuck": "a run that had not left chance level when it ended",
    "diverged": "a run whose loss became infinite, or stayed far above chance level",
    "failed": "a run that ended its process again and again, for want of memory for example; it counts nowhere",
    "left chance": "share of the runs that left chance level for good, with its 95 % confidence interval",
    "had the event": "share of the runs in which the event of the task happened, with its 95 % confidence interval",
    "median onset": "time by which half of the runs had left chance level, with its 95 % confidence interval",
    "median wait": "time by which the event had happened in half of the runs, with its 95 % confidence interval",
    "epochs, against": "how much earlier or later than the baseline, on average up to the horizon",
    "steps, against": "how much earlier or later than the baseline, on average up to the horizon",
    "p, Holm": "how probable so large a difference would be between equal arms, adjusted for all comparisons",
    "p at every look": "the same, valid however often one looks while runs are added",
    "p (two tests), Holm": "the smaller p-value of a test of times and one of shares, adjusted for all comparisons",
    "best ρ, held out": "largest progress on examples that were held out: 0 at chance level, 1 perfect",
    "onset": "time at which the run left chance level for good, or of the event of its task; in brackets the "
    "evaluations before and after",
    "end accuracy": "accuracy at the end of the run",
}


def explain(heading: str) -> str | None:
    """Returns what a heading means, or `None` where it needs no words."""
    return next((words for term, words in TERMS.items() if heading.startswith(term)), None)
