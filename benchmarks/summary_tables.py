"""Short tables of results: the READMEs and the page on EGBAD."""

from collections.abc import Sequence
from functools import partial
from statistics import mean

from accuracy_tables import PUBLISHED, mnist_means, page_means
from lines import RESULTS, Line, group_by, read_lines
from table_format import markdown, spread

ENGLISH, JAPANESE = 0, 1
EGBAD_PAPER = "EGBAD, the paper's score on the same weights"


def kdd99() -> str:
    """Return F1 and AUROC on KDD99."""
    two_splits = group_by(read_lines(RESULTS / "kdd99_two_splits.jsonl"), "method")
    baselines = group_by(read_lines(RESULTS / "kdd99.jsonl"), "method")
    low, *others = sorted(line["f1"] for line in two_splits[EGBAD_PAPER])
    spans = f"{others[0]:.2f}", f"{others[-1]:.2f}", f"{low:.2f}"
    runs = {
        'Blend with `recipe="nearest"`, ten runs: two splits, five seeds': two_splits["Blend"],
        "EGBAD, the same runs": two_splits["EGBAD"],
        "the paper's score on the same networks (nine runs from {} to {}, one {})".format(*spans): two_splits[
            EGBAD_PAPER
        ],
        "nearest neighbour, min-max columns": baselines["1-NN on distinct rows, min-max"],
        "isolation forest, all rows, five seeds": baselines["isolation forest, all rows"],
        "PCA, all rows": baselines["PCA, 20 components, min-max, all rows"],
    }
    rows = [(label, _f1(lines), f"{mean(line['auroc'] for line in lines):.4f}") for label, lines in runs.items()]
    rows.append(("published for EGBAD (sigma)", f"{_published()} (spread unverified)", ""))
    return markdown(("KDD99, papers' split and 20 percent rule", "F1", "AUROC"), rows)


def mnist() -> str:
    """Return average precision and AUROC on MNIST, as means over the ten digits."""
    pages = (
        ("mnist", "blend", "Blend, {} seeds"),
        ("mnist_10k", "blend", "Blend, 10,000 training images, {} seeds"),
        ("mnist", "egbad", "EGBAD, {} seeds"),
        ("mnist", "egbad, untrained", "EGBAD untrained, {} seeds"),
        ("mnist", "knn", "five nearest neighbours, Euclidean, {} seeds"),
    )
    rows = []
    for page, detector, label in pages:
        *values, seeds = page_means(page, detector)
        rows.append((label.format(seeds), *(f"{value:.3f}" for value in values)))
    cosine = (f"{value:.3f}" for value in mnist_means("5-NN on pixels, cosine"))
    rows.append(("five nearest neighbours, cosine, one split", *cosine))
    head = "MNIST, one digit left out, mean of ten digits, base rate 0.36"
    return markdown((head, "average precision", "AUROC"), rows)


def readme(language: int) -> str:
    """Return F1 on KDD99 and average precision on MNIST."""
    two_splits = group_by(read_lines(RESULTS / "kdd99_two_splits.jsonl"), "method")
    baselines = group_by(read_lines(RESULTS / "kdd99.jsonl"), "method")
    rows: Sequence[tuple[tuple[str, str], str, str]] = (
        (
            ('Blend (on KDD99 with `recipe="nearest"`)', 'Blend(KDD99 では `recipe="nearest"`)'),
            _f1(two_splits["Blend"]),
            _precision("blend"),
        ),
        (("EGBAD", "EGBAD"), _f1(two_splits["EGBAD"]), _precision("egbad")),
        (
            ("EGBAD, the paper's score on the same networks", "EGBAD、同じネットワークで論文のスコア"),
            _f1(two_splits[EGBAD_PAPER]),
            "",
        ),
        (("EGBAD, untrained", "EGBAD(学習前)"), "", _precision("egbad, untrained")),
        (("nearest neighbours", "最近傍法"), _f1(baselines["1-NN on distinct rows, min-max"]), _precision("knn")),
        (
            ("isolation forest", "Isolation Forest"),
            _f1(baselines["isolation forest, all rows"]),
            _precision("isolation_forest"),
        ),
        (
            ("published for EGBAD (sigma), spread unverified", "論文の EGBAD(sigma)、ばらつきは未確認"),
            _published(),
            "",
        ),
    )
    head = (
        ("", "KDD99: F1, papers' split", "MNIST, one digit left out: average precision"),
        ("", "KDD99:F1、論文の分割", "MNIST、数字を一つ除外:平均適合率"),
    )[language]
    return markdown(head, [(label[language], *values) for label, *values in rows])


def _f1(lines: list[Line]) -> str:
    """Format F1 with its spread."""
    return spread([line["f1"] for line in lines])


def _precision(detector: str) -> str:
    """Format the mean average precision of a detector over the ten digits."""
    return f"{page_means('mnist', detector)[0]:.3f}"


def _published() -> str:
    """Format the published F1 of EGBAD."""
    figure = PUBLISHED["egbad-sigma"]
    return f"{figure.value:.3f} ± {figure.spread:.3f}"


TABLES = {
    "KDD99, summary": kdd99,
    "MNIST, summary": mnist,
    "readme": partial(readme, ENGLISH),
    "readme, Japanese": partial(readme, JAPANESE),
}
