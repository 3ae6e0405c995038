"""Facts about data sets."""

from dataclasses import replace

from egbad.datasets import adbench, arrhythmia, fashion_mnist, kdd99, mnist


def test_every_data_set_has_a_digest_of_its_own() -> None:
    sources = [mnist.SOURCE, fashion_mnist.SOURCE, kdd99.SOURCE, arrhythmia.SOURCE, *adbench.SOURCES.values()]
    assert len({source.digest for source in sources}) == len(sources)
    file = kdd99.SOURCE.files[0]
    assert replace(kdd99.SOURCE, files=(replace(file, digest="sha256:0"),)).digest != kdd99.SOURCE.digest
