"""Networks of the methods: what they learn, and how a row or image x gets its score."""

from collections.abc import Mapping, Sequence

from drawing import Arrow, Node, Panel


def _encoder(x: float, y: float, text: str = "E") -> Node:
    return Node(x, y, text, "encoder")


def _generator(x: float, y: float, text: str = "G") -> Node:
    return Node(x, y, text, "generator")


def _discriminator(x: float, y: float, text: str = "D", h: float | None = None) -> Node:
    return Node(x, y, text, "discriminator", h=h)


def _step(x: float, y: float, text: str) -> Node:
    return Node(x, y, text, "step")


def _score(x: float, y: float, text: str = "A(x)") -> Node:
    return Node(x, y, text, "score")


def _value(x: float, y: float, text: str) -> Node:
    return Node(x, y, text)


def _pairs(training: str = "Training") -> Panel:
    """Return the game of a BiGAN: D sees pairs."""
    nodes = {
        "x": _value(0.8, 0.3, "x"),
        "E": _encoder(2.8, 0.3),
        "xz": _value(5.4, 0.3, "x, E(x)"),
        "z": _value(0.8, 1.3, "z"),
        "G": _generator(2.8, 1.3),
        "gz": _value(5.4, 1.3, "G(z), z"),
        "D": _discriminator(8.2, 0.8, h=1.5),
        "out": _step(11.2, 0.8, "real or\ngenerated?"),
    }
    return Panel(training, nodes, ["x E", "E xz", "xz D", "z G", "G gz", "gz D", "D out"])


def _reconstruction(y: float = 0.3, compare: str = "|x - G(E(x))|", title: str = "Scoring") -> Panel:
    """Return the pass of x through E and G."""
    nodes = {
        "x": _value(0.8, y, "x"),
        "E": _encoder(2.8, y),
        "z": _value(5, y, "E(x)"),
        "G": _generator(7.2, y),
        "xhat": _value(9.8, y, "G(E(x))"),
        "compare": _step(9.8, y + 1, compare),
        "A": _score(12.9, y + 1),
    }
    arrows = ["x E", "E z", "z G", "G xhat", Arrow("x", "compare", "vertical"), "xhat compare", "compare A"]
    return Panel(title, nodes, arrows)


def _egbad() -> list[Panel]:
    residual = _reconstruction(compare="L_G: |x - G(E(x))|", title="Scoring")
    nodes = dict(residual.nodes) | {
        "real": _value(2.3, 2.4, "x, E(x)"),
        "fake": _value(2.3, 3.2, "G(E(x)), E(x)"),
        "D": _discriminator(5.6, 2.8, h=1.4),
        "f": _step(9.8, 2.8, "L_D: |f - f'|"),
    }
    arrows = [*residual.arrows, "real D", "fake D", "D f", Arrow("f", "A", "horizontal")]
    return [_pairs(), Panel("Scoring", nodes, arrows)]


def _bigan() -> list[Panel]:
    sampling = {"z": _value(0.8, 0.3, "z"), "G": _generator(2.8, 0.3), "x": _value(5.4, 0.3, "a new row")}
    return [_pairs(), _reconstruction(), Panel("Sampling", sampling, ["z G", "G x"])]


def _gan(title: str = "Training", task: str = "real or\ngenerated?") -> Panel:
    """Return the game of a GAN."""
    nodes = {
        "x": _value(4.9, 0.3, "x"),
        "z": _value(0.8, 1.3, "z"),
        "G": _generator(2.6, 1.3),
        "gz": _value(4.9, 1.3, "G(z)"),
        "D": _discriminator(7.8, 0.8, h=1.5),
        "out": _step(11.2, 0.8, task),
    }
    return Panel(title, nodes, ["x D", "z G", "G gz", "gz D", "D out"])


def _anogan() -> list[Panel]:
    nodes = {
        "x": _value(4.9, 0.3, "x"),
        "z": _value(0.8, 1.3, "z"),
        "G": _generator(2.6, 1.3),
        "gz": _value(4.9, 1.3, "G(z)"),
        "D": _discriminator(7.3, 0.8, h=1.5),
        "compare": _step(10.6, 0.8, "|x - G(z)|\n|f(x) - f(G(z))|"),
        "A": _score(13.6, 0.8),
    }
    back = Arrow("compare", "z", "below", "gradient moves z, 500 steps", dashed=True)
    arrows = ["x D", "z G", "G gz", "gz D", "D compare", Arrow("compare", "A", text="last"), back]
    return [_gan(), Panel("Scoring: a search for each x", nodes, arrows)]


def _adgan() -> list[Panel]:
    nodes = {
        "x": _value(9.4, 0.2, "x"),
        "z1": _value(0.8, 1, "z_1"),
        "G1": _generator(2.8, 1, "G_1"),
        "g1": _value(5.4, 1, "G_1(z_1)"),
        "dots": _value(2.8, 1.65, "..."),
        "z8": _value(0.8, 2.3, "z_8"),
        "G8": _generator(2.8, 2.3, "G_8"),
        "g8": _value(5.4, 2.3, "G_8(z_8)"),
        "compare": Node(9.4, 1.65, "mean of\n(x - G_j(z_j))²", "step", h=1.6),
        "A": _score(13, 1.65),
    }
    back = [
        Arrow("compare", "G8", "below", "gradient moves z_j and G_j, 5 steps", dashed=True),
        Arrow("compare", "z8", "below", dashed=True),
    ]
    arrows = ["z1 G1", "G1 g1", "g1 compare", "z8 G8", "G8 g8", "g8 compare", "x compare", "compare A", *back]
    return [_gan(), Panel("Scoring: a search for each x, from several starts", nodes, arrows)]


def _f_anogan() -> list[Panel]:
    mapping = _reconstruction(compare="|x - G(E(x))|²\n|f(x) - f(G(E(x)))|²")
    return [
        _gan("Training, stage 1: G and the critic D", "higher for\nreal ones"),
        Panel("Training, stage 2: E alone; G and D stay. Scoring is the same", mapping.nodes, mapping.arrows),
    ]


def _alad() -> list[Panel]:
    nodes: dict[str, Node] = {}
    arrows: list[Arrow | str] = []
    games = (("xz", "x, E(x)", "G(z), z"), ("xx", "x, x", "x, G(E(x))"), ("zz", "z, z", "z, E(G(z))"))
    for i, (name, real, fake) in enumerate(games):
        y = 1.7 * i
        nodes |= {
            f"{name}r": _value(2.2, y + 0.3, real),
            f"{name}f": _value(2.2, y + 1.1, fake),
            f"D{name}": _discriminator(6, y + 0.7, f"D_{name}", h=1.3),
            f"out{name}": _step(9.8, y + 0.7, "real or generated?"),
        }
        arrows += [f"{name}r D{name}", f"{name}f D{name}", f"D{name} out{name}"]
    score = {
        "real": _value(2.2, 0.3, "x, x"),
        "fake": _value(2.2, 1.1, "x, G(E(x))"),
        "D": _discriminator(6, 0.7, "D_xx", h=1.3),
        "f": _step(9.3, 0.7, "|f - f'|"),
        "A": _score(12.4, 0.7),
    }
    return [
        Panel("Training: three games", nodes, arrows),
        Panel("Scoring", score, ["real D", "fake D", "D f", "f A"]),
    ]


def _ganomaly() -> list[Panel]:
    nodes = {
        "x": _value(0.7, 0.3, "x"),
        "E": _encoder(2.4, 0.3),
        "z": _value(4.1, 0.3, "z"),
        "G": _generator(5.9, 0.3),
        "xhat": _value(7.8, 0.3, "x̂"),
        "Ehat": _encoder(9.7, 0.3, "Ê"),
        "zhat": _value(11.7, 0.3, "ẑ"),
        "A": _score(11.7, 2.4, "|z - ẑ|"),
        "con": _step(7.8, 1.4, "|x - x̂|"),
        "pair": _value(2.4, 2.4, "x, x̂"),
        "D": _discriminator(4.4, 2.4),
        "adv": _step(7.8, 2.4, "|f(x) - f(x̂)|²"),
    }
    arrows = [
        *("x E", "E z", "z G", "G xhat", "xhat Ehat", "Ehat zhat", "zhat A", "xhat con", "pair D", "D adv"),
        Arrow("x", "con", "vertical"),
    ]
    return [Panel("Training and scoring", nodes, arrows)]


def _vae() -> list[Panel]:
    nodes = {
        "x": _value(0.8, 0.3, "x"),
        "E": _encoder(2.8, 0.3),
        "q": _value(5, 0.3, "μ, σ²"),
        "draw": _step(5, 1.4, "z = μ + σ ε"),  # noqa: RUF001
        "G": _generator(7.6, 1.4),
        "p": _value(10, 1.4, "m, s²"),
        "likelihood": _step(10, 0.3, "-log N(x; m, s²)"),
        "A": _score(13.4, 0.3, "mean"),
    }
    arrows = ["x E", "E q", "q draw", "draw G", "G p", "p likelihood", "likelihood A"]
    return [Panel("Scoring: the mean over 16 draws of ε", nodes, arrows)]


def _dsebm() -> list[Panel]:
    nodes = {
        "x": _value(0.8, 0.9, "x"),
        "b": _step(4.2, 0.3, "½ |x - b|²"),
        "W1": _encoder(3.3, 1.5, "W_1"),
        "W2": _encoder(5.4, 1.5, "W_2"),
        "h": _value(8, 1.5, "- sum of h"),
        "plus": _step(8, 0.3, "sum"),
        "A": _score(11, 0.3, "E(x)"),
    }
    arrows = [
        *("W1 W2", "W2 h", "h plus", "b plus", "plus A"),
        Arrow("x", "b", "vertical"),
        Arrow("x", "W1", "vertical"),
    ]
    denoising = {
        "x": _value(0.8, 0.3, "x"),
        "noise": _step(3.2, 0.3, "add noise"),
        "r": _encoder(6.8, 0.3, "r = x - ∇E(x)"),
        "xhat": _value(9.8, 0.3, "x̂"),
        "compare": _step(9.8, 1.3, "|x - x̂|²"),
    }
    return [
        Panel("Energy", nodes, arrows),
        Panel(
            "Training: a denoising autoencoder, the gradient of the energy",
            denoising,
            ["x noise", "noise r", "r xhat", Arrow("x", "compare", "vertical"), "xhat compare"],
        ),
    ]


def _dagmm() -> list[Panel]:
    nodes = {
        "x": _value(0.7, 0.3, "x"),
        "E": _encoder(2.4, 0.3),
        "zc": _value(4.4, 0.3, "z_c"),
        "G": _generator(6.4, 0.3),
        "xhat": _value(8.3, 0.3, "x̂"),
        "zr": _step(8.3, 1.3, "relative distance,\ncosine of x and x̂"),
        "z": _value(4.4, 2.3, "z = (z_c_, z_r)"),
        "net": _encoder(8.3, 2.3, "estimation"),
        "gamma": _value(11.5, 2.3, "γ"),  # noqa: RUF001
        "mixture": _step(11.5, 3.3, "mixture φ, μ, Σ"),
        "A": _score(4.4, 3.3, "-log p(z)"),
    }
    arrows = [
        *(
            "x E",
            "E zc",
            "zc G",
            "G xhat",
            "xhat zr",
            "zc z",
            "z net",
            "net gamma",
            "gamma mixture",
            "mixture A",
            "z A",
        ),
        Arrow("zr", "z", "horizontal"),
        Arrow("x", "zr", "vertical"),
    ]
    return [Panel("Training and scoring", nodes, arrows)]


def _contrastive() -> list[Panel]:
    images = {
        "x": _value(1, 0.95, "images"),
        "views": _step(4.1, 0.95, "two random views,\n4 rotations of each"),
        "trunk": _encoder(7.5, 0.95, "trunk"),
        "project": _encoder(10.2, 0.45, "projection"),
        "classify": _encoder(10.2, 1.45, "classifier"),
        "pull": _step(13.4, 0.45, "pairs of views\nare closest"),
        "rotation": _step(13.4, 1.45, "which\nrotation?"),
    }
    scoring = {
        "x": _value(1, 0.95, "image"),
        "rotate": _step(4.1, 0.95, "4 rotations"),
        "trunk": _encoder(7.5, 0.95, "trunk"),
        "project": _encoder(10.2, 0.45, "projection"),
        "memory": _step(13.4, 0.95, "distance to\nthe memory"),
        "A": _score(13.4, 2.15, "sum"),
    }
    rows = {
        "x": _value(0.8, 0.95, "row"),
        "a": _step(3.8, 0.45, "a quarter\nof the columns"),
        "b": _step(3.8, 1.55, "all other\ncolumns"),
        "f": _encoder(7, 0.45, "f"),
        "g": _encoder(7, 1.55, "g"),
        "match": Node(10.4, 1, "which rest\nbelongs to\nwhich part?", "step", h=1.6),
        "A": _score(13.4, 1, "loss"),
    }
    return [
        Panel(
            "Images: training",
            images,
            ["x views", "views trunk", *_fork("trunk", "project", "classify"), "project pull", "classify rotation"],
        ),
        Panel(
            "Images: scoring",
            scoring,
            [
                "x rotate",
                "rotate trunk",
                *_fork("trunk", "project"),
                "trunk memory",
                Arrow("project", "memory", "horizontal"),
                "memory A",
            ],
        ),
        Panel("Rows: 32 parts", rows, [*_fork("x", "a", "b"), "a f", "b g", "f match", "g match", "match A"]),
    ]


def _fork(start: str, *ends: str) -> list[Arrow | str]:
    return [Arrow(start, end, "vertical") for end in ends]


def _patchcore() -> list[Panel]:
    learning = {
        "x": _value(1.2, 0.3, "images"),
        "backbone": _encoder(4.3, 0.3, "backbone"),
        "patches": _value(7.2, 0.3, "patches"),
        "choice": _step(10.2, 0.3, "greedy choice"),
        "M": _step(13.1, 0.3, "memory M"),
    }
    scoring = {
        "x": _value(1.2, 0.3, "image"),
        "backbone": _encoder(4.3, 0.3, "backbone"),
        "patches": _value(7.2, 0.3, "patches"),
        "nearest": _step(10.4, 0.3, "distance to M"),
        "map": _step(10.4, 1.3, "map"),
        "A": _score(13.3, 0.3, "highest 1 %"),
    }
    return [
        Panel("Learning", learning, ["x backbone", "backbone patches", "patches choice", "choice M"]),
        Panel("Scoring", scoring, ["x backbone", "backbone patches", "patches nearest", "nearest A", "nearest map"]),
    ]


def _blend() -> list[Panel]:
    nodes = {"x": _value(0.8, 1.3, "x")}
    arrows: list[Arrow | str] = []
    for i, name in enumerate(("part 1", "part 2", "part n")):
        y = 0.3 + i
        nodes |= {
            f"p{i}": _encoder(3.6, y, name),
            f"t{i}": _step(7.4, y, "-log P(score or higher)"),
        }
        arrows += [Arrow("x", f"p{i}", "vertical" if i != 1 else ""), f"p{i} t{i}", f"t{i} join"]
    nodes |= {"join": Node(11.4, 1.3, "weighted mean\nor root mean\nsquare", "step", h=2.4), "A": _score(14.3, 1.3)}
    return [Panel("", nodes, [*arrows, "join A"])]


def _tiled() -> list[Panel]:
    nodes = {
        "x": _value(1.2, 0.3, "image"),
        "cut": _step(4.4, 0.3, "overlapping tiles"),
        "D": _encoder(7.9, 0.3, "detector"),
        "scores": _value(10.7, 0.3, "scores"),
        "A": _score(13.2, 0.3, "highest"),
        "map": _step(7.9, 1.3, "map: mean of the tiles that cover a pixel"),
    }
    return [Panel("", nodes, ["x cut", "cut D", "D scores", "scores A", "D map"])]


DRAWINGS: Mapping[str, Sequence[Panel]] = {
    "egbad": _egbad(),
    "bigan": _bigan(),
    "anogan": _anogan(),
    "adgan": _adgan(),
    "f_anogan": _f_anogan(),
    "alad": _alad(),
    "ganomaly": _ganomaly(),
    "vae": _vae(),
    "dsebm": _dsebm(),
    "dagmm": _dagmm(),
    "contrastive": _contrastive(),
    "patchcore": _patchcore(),
    "blend": _blend(),
    "tiled": _tiled(),
}
