# Two commands on a fresh machine: `make demo` and `make test`. Both need Python >= 3.11, make and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINT := $(shell command -v nvidia-smi >/dev/null 2>&1 || echo "-c constraints-cpu.txt")

.PHONY: demo test fuzz check docs lock audit sbom bench weights petct-weights clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hyoid needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints-cpu.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(CONSTRAINT) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints-cpu.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(CONSTRAINT) -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet $(CONSTRAINT) -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/hyoid demo --overwrite

test: $(VENV)/.installed-test
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2

# Mutated input files, about 10,000: only a refusal may leave a reader, and no voxel may lie elsewhere.
fuzz: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q tests/io/test_fuzz.py --hypothesis-profile=fuzz --hypothesis-show-statistics

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/codespell README.md CONTRIBUTING.md CHANGELOG.md docs src scripts containers tests
	$(BIN)/hadolint --config containers/hadolint.yaml containers/Dockerfile
	for script in containers/*.sh scripts/*.sh; do bash -n $$script || exit 1; done

# The site in docs/_build/html; a warning is an error.
docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet $(CONSTRAINT) -e '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# Every package of the usual extras but torch (constraints-cpu.txt), by version and hash, for every system, without any address.
lock: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet 'uv>=0.9,<1'
	echo torch > $(VENV)/without.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra serve --extra train --extra cohort --extra interchange --extra node --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --excludes $(VENV)/without.txt --custom-compile-command "make lock" --output-file requirements.lock

# Known weaknesses of every installed package, asked of the public advisory database; a machine without a network is told so.
audit: $(VENV)/.installed-dev
	$(BIN)/python scripts/audit.py

# What hyoid is made of: a CycloneDX bill of materials of the environment, made without a network.
sbom: $(VENV)/.installed-dev
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --output-file sbom.json $(BIN)/python
	@echo "sbom.json: $$(grep -c '"purl"' sbom.json) packages"

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/report.py

clean:
	rm -rf $(VENV) build dist

# Trains the default networks again (hours on two cores) and measures them; cases lie in DATA.
DATA ?= ../shared/data/openkbp
WORK ?= work

VALIDATION = $(DATA)/validation
CARD = $(BIN)/hyoid card --notes src/hyoid/weights --work $(WORK)/cards
REAL = --data $(VALIDATION) --whom "OpenKBP's validation split"
ORGANS = --organs $(WORK)/organs/package --organs $(WORK)/neck/package
CUT = $(BIN)/python scripts/cut_package.py $(WORK)/outlines/package
OUTLINES = --priors $(WORK)/priors $(ORGANS)
PRIORS = $(OUTLINES) --tumour $(WORK)/tumour-0/package --tumour $(WORK)/tumour-1/package

weights: $(VENV)/.installed-test
	$(BIN)/hyoid train organs --data $(DATA)/train --out $(WORK)/outlines
	$(CUT) $(WORK)/organs/package --name organs --words "Outlines seven head-and-neck organs on CT." brainstem spinal_cord parotid_right parotid_left oesophagus larynx mandible
	$(CUT) $(WORK)/tumour/package --name tumour --words "Localises the high-dose target region (tumour and nodes with margin) on CT." target_region
	$(BIN)/hyoid train organs --preset wide --data $(DATA)/train --out $(WORK)/organs-wide
	$(BIN)/hyoid phantom --n 100 --seed 1 --spacing 3,4,4 --out $(WORK)/virtual
	$(BIN)/hyoid phantom --n 12 --seed 2 --spacing 3,4,4 --out $(WORK)/virtual-held-out
	$(BIN)/hyoid train organs --preset neck --data $(DATA)/train --data $(WORK)/virtual --start $(WORK)/organs-wide/package --out $(WORK)/neck
	$(CARD) $(WORK)/organs/package $(WORK)/neck/package $(REAL) --virtual $(WORK)/virtual-held-out
	for fold in 0 1; do $(BIN)/hyoid train tumour --preset half --fold $$fold --data $(DATA)/train --start $(WORK)/organs-wide/package --out $(WORK)/tumour-$$fold || exit 1; done
	$(CARD) $(WORK)/tumour/package $(REAL)
	$(BIN)/hyoid train ct_report --preset organ_pooling --data $(DATA)/train $(PRIORS) --out $(WORK)/sgrnet
	$(BIN)/hyoid train ct_report --preset ct_only --data $(DATA)/train $(PRIORS) --out $(WORK)/sgrnet-ct-only
	for fold in 0 1 2 3 4; do $(BIN)/hyoid train ct_report --preset organ_pooling --fold $$fold --data $(DATA)/train $(PRIORS) --out $(WORK)/sgrnet-fold-$$fold || exit 1; done
	$(BIN)/hyoid calibrate $(WORK)/sgrnet/package $(foreach k,0 1 2 3 4,--held-out $(WORK)/sgrnet-fold-$(k)/held_out.json) --out $(WORK)/calibration --overwrite
	$(CARD) $(WORK)/sgrnet/package $(REAL) $(ORGANS) --tumour $(WORK)/tumour/package --beside ct_only=$(WORK)/sgrnet-ct-only/package --figure docs/ct_report-reliability.svg
	$(BIN)/hyoid phantom --n 300 --seed 11 --spacing 3,4,4 --out $(WORK)/virtual-template
	$(BIN)/hyoid phantom --n 60 --seed 12 --spacing 3,4,4 --out $(WORK)/virtual-template-held-out
	$(BIN)/hyoid train ct_report --preset template --data $(WORK)/virtual-template $(OUTLINES) --out $(WORK)/sgrnet-template
	for fold in 0 1 2 3 4; do $(BIN)/hyoid train ct_report --preset template --fold $$fold --data $(WORK)/virtual-template $(OUTLINES) --out $(WORK)/sgrnet-template-$$fold || exit 1; done
	$(BIN)/hyoid calibrate $(WORK)/sgrnet-template/package $(foreach k,0 1 2 3 4,--held-out $(WORK)/sgrnet-template-$(k)/held_out.json) --out $(WORK)/calibration-template --overwrite
	$(CARD) $(WORK)/sgrnet-template/package $(REAL) $(ORGANS) --virtual $(WORK)/virtual-template-held-out $(foreach k,0 1 2 3 4,--held-out $(WORK)/sgrnet-template-$(k)/held_out.json) --figure docs/ct_report-template-reliability.svg
	$(BIN)/hyoid phantom --n 32 --seed 41 --lesions any,any,any,any --spacing 3,2.5,2.5 --out $(WORK)/types
	$(BIN)/hyoid phantom --n 90 --seed 43 --lesions any,any,any,any --spacing 3,2.5,2.5 --out $(WORK)/attributes
	$(BIN)/hyoid train lesion --data $(WORK)/virtual --out $(WORK)/isrg-first
	$(BIN)/hyoid train lesion --preset described --data $(WORK)/virtual --data $(WORK)/types --start $(WORK)/isrg-first/package --out $(WORK)/isrg-described
	$(BIN)/hyoid train lesion --preset attributes --data $(WORK)/attributes --start $(WORK)/isrg-described/package --out $(WORK)/isrg-attributes
	$(BIN)/hyoid train lesion --preset real --data $(WORK)/types --data $(DATA)/../lesions_train --start $(WORK)/isrg-attributes/package --out $(WORK)/isrg
	$(CARD) $(WORK)/isrg/package --described $(WORK)/attributes --virtual $(WORK)/virtual-held-out --data $(DATA)/../lesions
	for name in organs neck tumour sgrnet sgrnet-template isrg; do rm -rf src/hyoid/weights/$$name && cp -r $(WORK)/$$name/package src/hyoid/weights/$$name; done

# The PET/CT system's default networks, from virtual patients of centres a-d, measured on centres e and f.
petct-weights: $(VENV)/.installed-test
	$(BIN)/python scripts/make_petct_cohort.py $(WORK)/petct-train --seed 71 --n 300 --centres abcd --workers 2
	$(BIN)/python scripts/make_petct_cohort.py $(WORK)/petct-test --seed 72 --n 50 --centres ef --workers 2
	for stage in head coarse resenc segresnet; do $(BIN)/hyoid train petct-$$stage --data $(WORK)/petct-train --out $(WORK)/run_$$stage --threads 1 || exit 1; done
	$(CARD) $(foreach stage,head coarse resenc segresnet,$(WORK)/run_$(stage)/package) --data $(WORK)/petct-test --whom "virtual patients whose scanner settings (centres e and f) were never seen in training"
	for stage in head coarse resenc segresnet; do rm -rf src/hyoid/weights/petct-$$stage && cp -r $(WORK)/run_$$stage/package src/hyoid/weights/petct-$$stage; done
