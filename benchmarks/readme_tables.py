"""Tables of results in README.md and README.ja.md."""

from collections.abc import Sequence
from functools import partial
from statistics import mean

from accuracy_tables import PUBLISHED, mnist_means, page_means
from lines import PAGES, RESULTS, Line, group_by, ok_lines, read_lines
from table_format import markdown, span, spread

ENGLISH, JAPANESE = 0, 1
EGBAD_PAPER = "EGBAD, the paper's score on the same weights"


def kdd99(language: int) -> str:
    """Return F1 and AUROC on KDD99."""
    two_splits = group_by(read_lines(RESULTS / "kdd99_two_splits.jsonl"), "method")
    baselines = group_by(read_lines(RESULTS / "kdd99.jsonl"), "method")
    figure = PUBLISHED["egbad-sigma"]
    low, *others = sorted(line["f1"] for line in two_splits[EGBAD_PAPER])
    spans = f"{others[0]:.2f}", f"{others[-1]:.2f}", f"{low:.2f}"
    labels: Sequence[tuple[str, str]] = (
        ("Blend, ten runs: two splits, five seeds", "Blend、分割 2 通りにシード 5 個ずつ、計 10 回"),
        ("EGBAD, the same runs", "EGBAD、同じ条件"),
        (
            "the paper's score on the same networks (nine runs from {} to {}, one {})".format(*spans),
            "同じネットワークで論文のスコア(九回は {} から {}、一回は {})".format(*spans),
        ),
        ("nearest neighbour, min-max columns", "最近傍法、min-max スケーリング"),
        ("isolation forest, all rows, five seeds", "Isolation Forest、全行で学習、シード 5 個"),
        ("PCA, all rows", "PCA、全行で学習"),
    )
    runs = [
        *(two_splits[name] for name in ("Blend", "EGBAD", EGBAD_PAPER)),
        baselines["1-NN on distinct rows, min-max"],
        baselines["isolation forest, all rows"],
        baselines["PCA, 20 components, min-max, all rows"],
    ]
    rows = [(label[language], *_f1_and_auroc(lines)) for label, lines in zip(labels, runs, strict=True)]
    label = ("published for EGBAD (sigma)", "論文に載っている EGBAD(sigma)の値")[language]
    unverified = ("spread unverified", "ばらつきは未確認")[language]
    rows.append((label, f"{figure.value:.3f} ± {figure.spread:.3f} ({unverified})", ""))
    head = ("KDD99, papers' split and 20 percent rule", "KDD99、論文の分割と上位 20 パーセントの規則")[language]
    return markdown((head, "F1", "AUROC"), rows)


def _f1_and_auroc(lines: list[Line]) -> tuple[str, str]:
    """Format F1 with its spread and mean AUROC."""
    return spread([line["f1"] for line in lines]), f"{mean(line['auroc'] for line in lines):.4f}"


def mnist(language: int) -> str:
    """Return average precision and AUROC on MNIST, as means over the ten digits."""
    pages = (
        ("mnist", "blend", "Blend, {} seeds", "Blend、シード {} 個"),
        ("mnist_10k", "blend", "Blend, 10,000 training images, {} seeds", "Blend、画像 10,000 枚で学習、シード {} 個"),
        ("mnist", "egbad", "EGBAD, {} seeds", "EGBAD、シード {} 個"),
        ("mnist", "egbad, untrained", "EGBAD untrained, {} seeds", "EGBAD(学習前)、シード {} 個"),
        ("mnist", "knn", "five nearest neighbours, Euclidean, {} seeds", "5 近傍、ユークリッド距離、シード {} 個"),
    )
    rows = []
    for page, detector, *labels in pages:
        *values, seeds = page_means(page, detector)
        rows.append((labels[language].format(seeds), *(f"{value:.3f}" for value in values)))
    cosine = ("five nearest neighbours, cosine, one split", "5 近傍、コサイン距離、分割 1 通り")[language]
    rows.append((cosine, *(f"{value:.3f}" for value in mnist_means("5-NN on pixels, cosine"))))
    head = (
        "MNIST, one digit left out, mean of ten digits, base rate 0.36",
        "MNIST、数字を一つ除外、十の数字の平均、異常の割合 0.36",
    )[language]
    return markdown((head, ("average precision", "平均適合率")[language], "AUROC"), rows)


def speed(language: int) -> str:
    """Return ratios and rates of scoring on a CPU."""
    found = {
        name: [line["found"] for line in lines]
        for name, lines in group_by(read_lines(RESULTS / "speed_check.jsonl"), "name").items()
    }
    rows_ratio, images_ratio = (
        span(found[f"{kind}: 500 steps of AnoGAN / one pass of EGBAD"], 3).replace(" to ", (" to ", " から ")[language])
        for kind in ("rows", "images")
    )
    rates = {line["engine"]: line["rows_per_second"] for line in read_lines(RESULTS / "engines.jsonl")}
    rate = span([rates["local"]], 3)
    memory = read_lines(RESULTS / "large.jsonl")[-1]["peak_gib"]
    row = [f"{edge(found['one row, exported graph: microseconds']):.0f}" for edge in (min, max)]
    share = min(found["scoring rows, torch: relative to the rate of a large product"])
    labels = (
        (
            "EGBAD compared with 500 steps of AnoGAN, the papers' networks",
            "AnoGAN の 500 ステップと比べた EGBAD、論文のネットワーク",
        ),
        ("4,096 rows of 121 columns in memory", "メモリ上の 121 列の 4,096 行"),
        ("millions of rows, Parquet to Parquet", "数百万行、Parquet から Parquet へ"),
        ("one row, exported graph", "一行、書き出したグラフ"),
    )
    values = (
        (
            f"{rows_ratio} times as fast on rows, {images_ratio} on images",
            f"行で {rows_ratio} 倍、画像で {images_ratio} 倍",
        ),
        (f"{share:.0%} of the rate of a large matrix product", f"大きな行列積の速さの {share:.0%}"),
        (
            f"{rate} a second, {memory:.1f} GiB of memory for ten million",
            f"毎秒 {rate} 行、一千万行でメモリは {memory:.1f} GiB",
        ),
        (f"{row[0]} to {row[1]} microseconds", f"{row[0]} から {row[1]} マイクロ秒"),
    )
    head = (
        "Speed, two cores of an AMD EPYC, [settings for servers](docs/guide/scaling.md#faster-scoring-on-servers)",
        "速度、AMD EPYC の 2 コア、[サーバー向けの設定](docs/guide/scaling.md#faster-scoring-on-servers)",
    )[language]
    rows = [(label[language], value[language]) for label, value in zip(labels, values, strict=True)]
    return markdown((head, ""), rows)


def comparison() -> str:
    """Return what `egbad benchmark digits --tasks "8 left" --detectors blend,egbad` shows, by falling average precision."""
    lines = [line for line in ok_lines(PAGES / "digits") if line["task"] == "digits, 8 left out" and line["seed"] == 0]
    lines.sort(key=lambda line: -line["metrics"]["average_precision"])
    metrics = ("average_precision", "auroc")
    rows = [
        (line["label"], *(f"{line['metrics'][name]:.3f}" for name in metrics), f"{line['seconds']['fit']:.1f}")
        for line in lines
    ]
    return markdown(("detector", "average precision", "AUROC", "fit, s"), rows)


TABLES = {
    "readme comparison": comparison,
    **{
        f"readme {name}{suffix}": partial(table, language)
        for suffix, language in (("", ENGLISH), (", Japanese", JAPANESE))
        for name, table in (("KDD99", kdd99), ("MNIST", mnist), ("speed", speed))
    },
}
