# make book, make test: each makes what it needs by itself, in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
INSTALLED := .venv/.installed
# The files of tests side by side, each in one process, in their order: the longest stand first.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: book test check chapter lint serve lab bench sabotage audit offline pdf clean

book: $(INSTALLED)
	@$(BIN)/python -m booktools

test: $(INSTALLED) lint
	$(PYTEST)

# In two minutes, without building the site; one chapter, all that is tested of it: make check CHAPTER=lstm
check: $(INSTALLED) lint
ifdef CHAPTER
	$(PYTEST) chapters/$(CHAPTER).md tests/text tests/check -k '$(CHAPTER)'
	$(BIN)/python tests/sabotage.py $(CHAPTER)
else
	$(PYTEST) tests/science tests/check tests/text
endif

# Its skeleton, in both languages, behind the last chapter or behind AFTER: make chapter NAME=x AFTER=gru
chapter: $(INSTALLED)
	$(BIN)/python -m booktools.chapter $(NAME) $(if $(AFTER),--after $(AFTER))

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

serve: book
	$(BIN)/python booktools/live/serve.py _build/html

lab: book
	$(BIN)/jupyter lab _build/notebooks

bench: $(INSTALLED)
	$(PIP) -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.recurrent
	$(BIN)/python -m benchmarks.scan
	$(BIN)/python -m benchmarks.kalman

# Breaks the package under each chapter, one line at a time; the chapter's assertions must fail. A few: CHAPTERS="bptt flow"
sabotage: $(INSTALLED)
	$(BIN)/python tests/sabotage.py $(CHAPTERS)

# Every page's bytes, requests, console, axe and, where npm is there, Lighthouse. A few: make audit PAGES="index search"
audit: book
	$(BIN)/python -m booktools.audit $(PAGES)

offline: book
	$(BIN)/python -m booktools.offline

pdf: book
	$(BIN)/python -m booktools.pdf

clean:
	rm -rf _build .venv

# PyTorch's CPU build where its own index is reached (on Linux the default build brings gigabytes of CUDA);
# where it is not, the installation after it takes torch from wherever pip is set up to look, and this is said.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@$(PIP) --no-deps --retries 0 --timeout 15 --index-url https://download.pytorch.org/whl/cpu $(TORCH) 2>/dev/null \
		|| echo "PyTorch's own index was not reached: $(TORCH) comes from where pip looks, perhaps with gigabytes of CUDA."
	@$(PIP) -c constraints.txt -e '.[book,test]'
	@touch $@
