# All that `make demo` and `make test` need is make and Python 3.11 or newer.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
ifndef SEED
SEED   := $(shell date +%s)
endif
EXAMPLES ?= 200

.DEFAULT_GOAL := help
.PHONY: help demo test slow test-spark check rules same bench campaign reference clean

help:
	@echo 'make demo       install into .venv and run every command on the sample data, into demo/'
	@echo 'make test       the tests, but for those with processes, servers, damage, and what takes long: make slow'
	@echo 'make test-spark install Spark, and ask both engines the same; needs Java 17, else skipped; TABLES=40 of each kind, new ones'
	@echo 'make check      ruff, format, mypy, all tests, each rule on 200 new tables: what has to pass; SEED=1 for the same again'
	@echo 'make rules      each rule on 200 new tables, and no other tests; SEED=1 for the same again'
	@echo 'make same       what this tree does otherwise than BASE=REVISION; ONLY=NAME for some cases, ALLOW=FILE for changes'
	@echo 'make bench      speed and memory on generated tables; N=20000000 for that many synapses'
	@echo 'make campaign   kills, damaged inputs, faults of servers and disks at random; N=1000 of each, SEED=1 for the same again'
	@echo 'make reference  write the reference and the output of examples into README.md and docs/ anew'
	@echo 'make clean      remove what the others made'

demo: $(VENV)/.user
	PATH="$(CURDIR)/$(BIN):$$PATH" sh sample_data/demo.sh demo

test: $(VENV)/.developer
	$(PYTEST) -m 'not slow and not spark'

slow: $(VENV)/.developer
	$(PYTEST) -m slow

# Needs Java 17 or newer. One process, which starts Spark once, and a cluster of its own. Where there is no Java, the tests say so; the package is large, and not fetched.
test-spark: $(VENV)/.developer
	@if ! command -v java >/dev/null && [ -z "$$JAVA_HOME" ]; then echo 'no Java here: Spark is not installed'; \
	else $(PIP) --editable '.[dev,spark]' || echo 'PySpark cannot be installed here'; fi
	$(if $(TABLES),EXAMPLES=$(TABLES)) $(BIN)/python -m pytest -m spark $(if $(TABLES),--hypothesis-seed=$(SEED)) \
	tests/test_spark.py tests/test_spark_sources.py tests/test_spark_cluster.py

check: $(VENV)/.developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@echo 'Generated tables are new ones; make check SEED=$(SEED) takes the same again.'
	EXAMPLES=$(EXAMPLES) $(PYTEST) -m 'not spark' --hypothesis-seed=$(SEED)

rules: $(VENV)/.developer
	@echo 'Generated tables are new ones; make rules SEED=$(SEED) takes the same again.'
	EXAMPLES=$(EXAMPLES) $(PYTEST) -m 'not spark' --hypothesis-seed=$(SEED) $$(grep -l '^@given' tests/test_*.py)

same: $(VENV)/.developer
	$(BIN)/python tests/same.py $(or $(BASE),HEAD) $(if $(ONLY),--only '$(ONLY)') $(if $(ALLOW),--allow $(ALLOW))

bench: $(VENV)/.developer
	$(BIN)/python tests/benchmarks/run.py $(if $(N),--n $(N))

campaign: $(VENV)/.developer
	$(BIN)/python tests/campaign/kills.py $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED))
	$(BIN)/python tests/campaign/inputs.py $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED))
	$(BIN)/python tests/campaign/servers.py $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED))
	$(BIN)/python tests/campaign/disks.py $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED))

reference: $(VENV)/.developer
	$(BIN)/python tests/readme.py

clean:
	rm -rf demo build dist *.egg-info $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .snakemake
	find crantcli tests sample_data -name __pycache__ -prune -exec rm -rf {} +

# Empty files say which packages are installed; a newer pyproject.toml installs them again.
$(VENV)/.user: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("crantcli needs Python 3.11 or newer; say which with PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.developer: $(VENV)/.user
	$(PIP) --editable '.[dev]'
	@touch $@
