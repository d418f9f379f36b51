# Two commands: make demo (core dependencies only), make test (all extras, whole suite). And: make docs.
# From a checkout that cannot be written to: make demo DEMO=/PATH/WITHOUT/BLANKS OUT=/ANY/PATH
PYTHON ?= python3
DEMO := .venv-demo
OUT := demo
TEST := .venv
DOCS := .venv-docs

.PHONY: demo test test-slow check docs clean

demo: $(DEMO)/.done
	$(DEMO)/bin/vestige demo --out "$(OUT)"
	@cd "$(OUT)" && echo "Reports: $$PWD/leaking/report.html and $$PWD/clean/report.html"

test: check
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m pytest -m "not slow" -n 2 --dist worksteal

test-slow: $(TEST)/.done
	$(TEST)/bin/python -m pytest -m slow

mutants: $(TEST)/.done
	$(TEST)/bin/python tests/mutants.py

check: $(TEST)/.done
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy
	$(TEST)/bin/lint-imports

docs: $(DOCS)/.done
	$(DOCS)/bin/mkdocs build --strict
	@echo "Site: $(CURDIR)/build/site/index.html"

$(DEMO)/.done: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vestige needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install -q -c constraints.txt .
	touch $@

$(TEST)/.done: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vestige needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/pip install -q -c constraints.txt -e ".[all,gpl,test]"
	touch $@

$(DOCS)/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install -q -c constraints.txt -e ".[docs]"
	touch $@

clean:
	rm -rf $(DEMO) $(TEST) $(DOCS) demo build dist
