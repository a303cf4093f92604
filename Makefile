# make run · make test · make bench: each sets up what it needs, says how long it took, and does nothing twice.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help
.PHONY: help run test bench check weights clean

VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
PORT ?= 7860
DATA ?= ../shared/data
# The first Python from 3.11 on; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# llama.cpp without its multimodal part, which nothing here uses, and which is most of its build; and without
# its AMX kernels, which crash (SIGSEGV at ldtilecfg, llama.cpp of llama-cpp-python 0.3.36) on virtual Xeons.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF -DLLAMA_OPENSSL=OFF \
	-DCMAKE_C_FLAGS=-U__AMX_INT8__ -DCMAKE_CXX_FLAGS=-U__AMX_INT8__
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

# $(call step,what is done,command): says what is done, and for how long it took.
define step
	printf '==> %s\n' "$(1)"; started=$$(date +%s); $(2); printf '    done in %s s\n' "$$(( $$(date +%s) - started ))"
endef

help:
	echo 'make run    environment, weights, demo archive, chat page on http://127.0.0.1:$(PORT)'
	echo 'make test   environment, weights, all tests'
	echo 'make bench  environment, weights, figures of docs/evaluation.md and docs/benchmarks.md'

run: $(VENV)/.installed weights
	$(call step,indexing the demo archive,$(BIN)/sourcier index demo/articles --home $(DEMO))
	echo '==> serving the chat page; Ctrl-C stops it'
	exec $(BIN)/sourcier serve --home $(DEMO) --port $(PORT)

test: $(VENV)/.installed-test weights
	$(BIN)/sourcier models pull qwen2.5-coder-0.5b > /dev/null
	tests/browser/chromium.sh
	$(call step,ruff,$(BIN)/ruff check .; $(BIN)/ruff format --check .)
	$(call step,mypy,$(BIN)/mypy)
	$(call step,tests,$(BIN)/pytest)

bench: $(VENV)/.installed-bench weights
	$(BIN)/sourcier bench demo --out docs/benchmarks/speed-demo.json --plots docs/benchmarks
	if [ -d $(DATA)/piaf ]; then
		$(BIN)/sourcier bench $(DATA)/piaf/piaf-v1.0.json --out docs/benchmarks/speed-piaf.json --plots docs/benchmarks
	fi
	$(BIN)/sourcier eval answers demo
	$(BIN)/sourcier eval planted demo/supported.jsonl
	$(BIN)/python -m evaluation.store_speed
	$(BIN)/python -m evaluation.search_speed
	KILLS=200 $(BIN)/pytest tests/faults -s
	for seed in 0 1 2 3 4 5 6 7 8 9; do $(BIN)/python tests/faults/fuzz_readers.py --files 2000 --seed $$seed; done
	if [ -d $(DATA) ]; then
		$(BIN)/sourcier eval retrieval $(DATA)/piaf/piaf-v1.0.json --language fr
		$(BIN)/python -m evaluation.embedding_speed $(DATA)/piaf/piaf-v1.0.json --language fr --only encode --only configured
		$(BIN)/python -m evaluation.ingestion $(DATA)/orangesum_5k/articles.jsonl
		$(BIN)/python -m evaluation.copies $(DATA)/orangesum_5k/articles.jsonl
	fi

weights: $(VENV)/.installed
	$(call step,weights: fetch what is missing and verify,$(BIN)/sourcier models pull > /dev/null)

$(VENV)/.installed: pyproject.toml constraints.txt | check
	$(call step,creating the environment in $(VENV),$(PYTHON) -m venv $(VENV))
	$(call step,installing; the first time llama.cpp is compiled: some minutes,$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .)
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(call step,installing what the tests need,$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]')
	touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-test
	$(call step,installing what the benchmarks are compared with,$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]')
	touch $@

check:
	if [ -z '$(PYTHON)' ]; then echo 'Python 3.11 or later is missing: install it, or name it: make PYTHON=/path/to/python3' >&2; exit 1; fi
	if ! '$(PYTHON)' -c 'import venv, ensurepip' 2> /dev/null; then echo 'the venv module of $(PYTHON) is missing: on Debian and Ubuntu, apt install python3-venv' >&2; exit 1; fi
	if ! command -v c++ g++ clang++ > /dev/null; then echo 'a C++ compiler is missing: on Debian and Ubuntu, apt install g++; on macOS, xcode-select --install' >&2; exit 1; fi

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
