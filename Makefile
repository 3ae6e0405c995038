# `make demo` and `make test` need nothing but make and Python 3.11: they make their own .venv first.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test lint format slow docs translations wheel clean

demo: .venv/.installed
	$(BIN)/egbad demo

# Workers compute on one thread each, so that they do not compete for cores.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: .venv/.installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/proselint check --config docs/proselint.json README.md CONTRIBUTING.md CHANGELOG.md \
		$(wildcard docs/*.md docs/*/*.md)

format: .venv/.installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

slow: .venv/.installed
	$(BIN)/python -m pytest -m slow

# Warnings are errors. The site needs no network, neither to be built nor to be read: open docs/_build/html/index.html.
docs: .venv/.installed-docs
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -W --keep-going --quiet docs docs/_build/html
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -W --keep-going --quiet -D language=ja docs docs/_build/html/ja

# Adds what is new in the English pages to the catalogues of their translations, and removes what is gone.
translations: .venv/.installed-docs
	rm -rf docs/_build/catalogues
	$(BIN)/sphinx-build -Q -b gettext -t catalogues docs docs/_build/catalogues
	$(BIN)/sphinx-intl update -p docs/_build/catalogues -d docs/locale -l ja -w 120 --no-obsolete -j 1

wheel: .venv/.installed
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf .venv dist docs/_build docs/gallery docs/reference/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis report.html
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# torch goes first and alone, so that nothing which needs it can choose another build of it.
.venv/.installed: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -c requirements.lock -e '.[backbones,demo,onnx,plot,ray,serve,serve-postgresql,timm,tune,dev]'
	touch $@

.venv/.installed-docs: .venv/.installed
	$(BIN)/python -m pip install --quiet -c requirements.lock -e '.[docs]'
	touch $@
