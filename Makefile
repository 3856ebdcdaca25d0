# Two commands on a fresh machine: make demo, make test. Everything happens in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# "required" makes an absent interoperability client a failure instead of a named skip.
INTEROP ?=
# How long `make soak` fuzzes, all targets together, and how often it kills a server under load; the steady load takes as long, ten minutes at
# most.
SECONDS ?= 3600
KILLS ?= 50
COMPILED := build/compiled
TRIED := tests/engine tests/server tests/fuzz tests/test_compiled.py
comma := ,
CHECKED := sasl_digest ldapserver twisted tests examples benchmarks docs

.PHONY: demo test check docs serve bench bench-directory interop explore soak wheel-compiled test-compiled format clean

demo: $(VENV)/.demo
	@$(BIN)/python examples/demo.py

# The many programs that it starts are to find our modules compiled, whatever the environment says.
test: $(VENV)/.test
	INTEROP=$(INTEROP) PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.test
	$(BIN)/ruff format --check $(CHECKED) setup.py
	$(BIN)/ruff check $(CHECKED) setup.py
	$(BIN)/mypy $(CHECKED)

# The site, in build/docs/index.html; a link within it that leads nowhere is an error. LINKS=check looks at the others too.
docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs
	$(if $(LINKS),$(BIN)/sphinx-build -W --keep-going -q -b linkcheck docs build/links)
	@echo 'build/docs/index.html'

serve: $(VENV)/.demo
	@$(BIN)/python examples/demo.py --serve

# BINDLOAD=path of a compiled bindload; without it the project's own client drives the servers. WHEEL=compiled measures the compiled
# wheel too. LDAPTOR=an interpreter that has ldaptor; ONLY=digest,simple: parts of it.
bench: $(VENV)/.speed $(if $(filter compiled,$(WHEEL)),$(COMPILED)/.installed)
	$(BIN)/python -m benchmarks $(if $(BINDLOAD),--bindload $(BINDLOAD)) $(if $(filter compiled,$(WHEEL)),--compiled $(COMPILED)/venv/bin/python) \
	  $(if $(LDAPTOR),--ldaptor $(LDAPTOR)) $(if $(ONLY),--only $(ONLY))

# The same of a directory of a hundred thousand entries: searches, and binds beside them; a minute and a half.
bench-directory: $(VENV)/.demo
	$(BIN)/python -m benchmarks.directory $(if $(BINDLOAD),--bindload $(BINDLOAD))

interop: $(VENV)/.test
	INTEROP=required $(BIN)/python -m pytest tests/interop

# The property tests with other examples than `make test` has, new ones each time.
explore: $(VENV)/.test
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -n auto tests/engine tests/server

# Servers killed under load, disks that fill up or fail, ten thousand idle connections, a thousand that bind once a second (for ten minutes at
# most), then coverage-guided fuzzing; what that finds is kept in tests/fuzz/regressions, where make test plays it.
soak: $(VENV)/.fuzz
	$(BIN)/python -m tests.soak.kills $(KILLS)
	$(BIN)/python -m tests.soak.disks
	$(BIN)/python -m tests.soak.idle
	$(BIN)/python -m tests.soak.steady $(SECONDS)
	$(BIN)/python -m tests.fuzz.fuzz_engine $(SECONDS)

# A wheel for this Python and this machine, whose hot modules are C: dist/sasl_digest-VERSION-cp...whl. It needs a C compiler and Python's headers.
# It is built in a copy, so that nothing compiled is left where the pure modules are run from.
wheel-compiled: $(COMPILED)/.wheel

# The tests of what is compiled, against that wheel, in an environment of its own, where they stand beside the installed packages.
# The others drive the same server through programs, pages and clients that stay Python, in as much time again: TRIED=tests runs those too.
test-compiled: $(COMPILED)/.tree
	cd $(COMPILED)/tree && INTEROP=$(INTEROP) MODULES=compiled PYTHONDONTWRITEBYTECODE= ../venv/bin/python -m pytest -rs -n auto --dist loadfile $(TRIED)

format: $(VENV)/.test
	$(BIN)/ruff format $(CHECKED) setup.py
	$(BIN)/ruff check --fix $(CHECKED) setup.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The build backend warns of every editable installation; there is nothing in it for a user of make.
INSTALL := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

$(VENV)/.demo: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo 'setting up $(VENV)'
	@$(INSTALL) .
	@touch $@

$(VENV)/.test: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo 'setting up $(VENV) with the test tools'
	@$(INSTALL) '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.speed: $(VENV)/.demo
	@$(INSTALL) '.[speed]'
	@touch $@

$(VENV)/.docs: $(VENV)/.test
	@echo 'setting up $(VENV) with what makes the site'
	@$(INSTALL) '.[test,docs]'
	@touch $@

COMPILED_FROM := setup.py setup.cfg pyproject.toml $(shell find sasl_digest ldapserver -name '*.py' -o -name '*.schema')
BESIDE := .dockerignore CHANGELOG.md CONTRIBUTING.md Dockerfile LICENSE MANIFEST.in Makefile README.md setup.py setup.cfg pyproject.toml

$(VENV)/.compiler: $(VENV)/.test
	@echo 'setting up $(VENV) with what compiles'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'setuptools>=70.1' mypy
	@touch $@

$(COMPILED)/.wheel: $(COMPILED_FROM) | $(VENV)/.compiler
	rm -rf $(COMPILED)/source $(COMPILED)/wheel
	mkdir -p $(COMPILED)/source dist
	cp -R $(BESIDE) sasl_digest ldapserver twisted $(COMPILED)/source
	SASL_DIGEST_COMPILE=1 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
	  --wheel-dir $(COMPILED)/wheel $(COMPILED)/source >$(COMPILED)/compiler.log 2>&1 || { tail -50 $(COMPILED)/compiler.log; exit 1; }
	cp $(COMPILED)/wheel/*.whl dist
	@touch $@
	@ls dist/*.whl

$(COMPILED)/.installed: $(COMPILED)/.wheel
	rm -rf $(COMPILED)/venv
	$(PYTHON) -m venv $(COMPILED)/venv
	$(COMPILED)/venv/bin/python -m pip install --quiet --disable-pip-version-check "$$(echo $(COMPILED)/wheel/*.whl)[test$(if $(filter required,$(INTEROP)),$(comma)interop)]"
	@touch $@

# The checkout without its two packages, in whose place stand those that were installed.
.PHONY: $(COMPILED)/.tree
$(COMPILED)/.tree: $(COMPILED)/.installed
	rm -rf $(COMPILED)/tree
	mkdir -p $(COMPILED)/tree
	cp -R $(BESIDE) benchmarks docs examples tests twisted $(COMPILED)/tree
	for package in sasl_digest ldapserver; do ln -s "$$(echo $(CURDIR)/$(COMPILED)/venv/lib/python3*/site-packages)/$$package" $(COMPILED)/tree; done

$(VENV)/.fuzz: $(VENV)/.test
	@echo 'setting up $(VENV) with the fuzzer'
	@$(INSTALL) '.[test,fuzz]'
	@touch $@
