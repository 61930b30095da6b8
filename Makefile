# make help lists what there is.

GO      ?= go
OUT     ?= bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# Flags for every go test of a target, such as TESTFLAGS=-json or -v.
TESTFLAGS ?=
# Flags of the fit, such as FITFLAGS='-rounds 4 -write sim/parameters/parameters.json'.
FITFLAGS ?=
# Flags of bench, such as BENCHFLAGS='-quick' or BENCHFLAGS='-write docs/performance.md'.
BENCHFLAGS ?=
# Flags of stats-bench, such as STATSFLAGS='-n 50 -systems slow,mmpp'.
STATSFLAGS ?=
# How long each fuzz target is tried: 10s, 10m, or a number of inputs such as 50000x.
FUZZTIME ?= 10s
# Flags of findings-bench, such as FINDINGSFLAGS='-n 2 -faults slow-worker,none'.
FINDINGSFLAGS ?=
# Flags of torture, such as TORTUREFLAGS='-many -classes kill' or -n=3.
TORTUREFLAGS ?=
# Flags of report-bench, such as REPORTFLAGS='-cells 20 -dir /tmp/run'.
REPORTFLAGS ?=
# Where gpu-check leaves its evidence, and its flags, such as GPUCHECKFLAGS=-cpu.
GPUCHECK ?= gpu-check.tar.gz
GPUCHECKFLAGS ?=
# Where test-real keeps the software and the models that it needs.
REAL ?= .real
# The LibreOffice that test-real and test-workbook open workbooks with.
SOFFICE ?= soffice

# go-nvml's header has some thirty functions that are deprecated, and cgo warns of
# each. The first two flags are cgo's own default.
export CGO_CFLAGS := -O2 -g -Wno-deprecated-declarations

# The race detector's check of pointers turns a panic of the Parquet library on a
# damaged file, which we recover from, into the process's end.
NOCHECKPTR := -gcflags=github.com/parquet-go/parquet-go/...=-d=checkptr=0

.DEFAULT_GOAL := build
.PHONY: build test race vuln licences vet gofmt staticcheck lint demo fit long bench stats-bench findings-bench report-bench torture fuzz test-real real test-page picture picture-sweep capacity-real test-docker gpu-check gpu-check-binaries reference release image clean help

build: ## build bin/evabench
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(OUT)/evabench ./cmd/evabench

reference: ## docs/reference/scenario.md, from the structs that decode scenarios
	$(GO) run ./internal/reference -write docs/reference/scenario.md

release: ## bin/release: archives for linux/amd64 with and without NVML and linux/arm64 without, checksums
	GO='$(GO)' scripts/release.sh '$(VERSION)' '$(OUT)/release'

image: ## a container image of the build with NVML, evabench:VERSION; needs Docker
	docker build --build-arg 'VERSION=$(VERSION)' -t 'evabench:$(VERSION)' .

# What the race detector sees in make race only. Most reckon in virtual time or in
# figures, or fail at every write of a run directory, on one goroutine or nearly so: it
# makes minutes of their seconds, and has little to look at; the days of virtual time are so
# too, in a package that is watched otherwise.
# The command's own tests take a quarter of an hour with it; what meets in it are packages
# that are tested with it.
UNWATCHED := analysis analysis/recommend analysis/search/bench analysis/stats cmd/evabench internal/queues report/formats results sim/virtual
DAYS := ^TestADay

test: vet gofmt ## all Go tests, most with the race detector; needs no root, no GPU
	CGO_ENABLED=1 $(GO) test -race $(NOCHECKPTR) -timeout 15m -skip '$(DAYS)' $(TESTFLAGS) \
		$$($(GO) list ./... | grep -vE '/($(subst $() ,|,$(UNWATCHED)))$$')
	$(GO) test -timeout 15m $(TESTFLAGS) $(addprefix ./,$(UNWATCHED))
	$(GO) test -timeout 15m -run '$(DAYS)' $(TESTFLAGS) ./loadgen

race: ## the whole suite with the race detector: half an hour
	CGO_ENABLED=1 $(GO) test -race $(NOCHECKPTR) -timeout 60m $(TESTFLAGS) ./...

vet:
	$(GO) vet ./...
	$(GO) vet -tags real ./realtest/...

gofmt:
	@files=$$(gofmt -l .) && test -z "$$files" || { echo "not in gofmt's form:" $$files >&2; exit 1; }

staticcheck: ## staticcheck, at the version that go.mod names
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags real ./realtest/...

vuln: ## known vulnerabilities in what is called; EVABENCH_VULNDB=file:///FOLDER without a network
	GO='$(GO)' scripts/vuln.sh

licences: ## docs/licences.md, and bin/THIRD-PARTY.txt with the texts that go with a binary
	@mkdir -p $(OUT)
	$(GO) run ./internal/licences -write docs/licences.md -texts $(OUT)/THIRD-PARTY.txt

lint: vet gofmt staticcheck ## vet, gofmt and staticcheck

demo: build ## the main job on a simulated server: a sweep into runs/
	$(OUT)/evabench sweep pro6000x1 --yes

fit: ## the simulated servers against published tables; FITFLAGS=-rounds=4 fits anew
	$(GO) run ./sim/fit $(FITFLAGS)

long: build ## 10,000,000 virtual requests; make race; a fault and a kill -9 at every call of a sweep; torture in full, half an hour of load among it; fuzzing for 10 minutes a target: a night
	$(GO) test ./loadgen -count=1 -timeout 30m -run TestIdentityOverManyRequests -requests 10000000 $(TESTFLAGS)
	$(GO) test ./partition/backends/nvidia -count=1 -timeout 60m -v -run 'FaultEvery|KillEvery' -long $(TESTFLAGS)
	$(GO) run ./torture -evabench $(OUT)/evabench -many $(TORTUREFLAGS)
	GO='$(GO)' scripts/fuzz.sh 10m $(TESTFLAGS)
	$(MAKE) race

bench: ## evabench beside other load generators; BENCHFLAGS='-quick' for a look
	bench/run.sh $(BENCHFLAGS)

stats-bench: ## the search on systems of known capacity, into docs/statistics.md; STATSFLAGS='-n 50' for a look
	$(GO) run ./analysis/search/bench -write docs/statistics.md $(STATSFLAGS)

findings-bench: build ## faults in the simulated server: how often the first finding names them; 40 minutes
	$(GO) run ./analysis/findings/bench -evabench $(OUT)/evabench $(FINDINGSFLAGS)

report-bench: build ## a report of 200 cells and 20 million samples: its time and memory; REPORTFLAGS='-cells 20' for a look
	$(GO) run ./report/bench -evabench $(OUT)/evabench $(REPORTFLAGS)

torture: build ## bad servers, disks, clocks and ends against the real command, by class; within 10 minutes
	$(GO) run ./torture -evabench $(OUT)/evabench $(TORTUREFLAGS)

fuzz: ## every fuzz target for FUZZTIME (10s)
	GO='$(GO)' scripts/fuzz.sh $(FUZZTIME) $(TESTFLAGS)

gpu-check: build gpu-check-binaries ## the reference detectors on one NVIDIA GPU, 8 minutes, no setting changed
	$(OUT)/gpu-check -evabench $(OUT)/evabench -out '$(GPUCHECK)' $(GPUCHECKFLAGS)

# With build's, all that a machine with a GPU and without Go needs, beside examples/.
gpu-check-binaries:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(OUT)/gpu-check ./gpucheck

real: build gpu-check-binaries # what test-real needs: real servers, models for them, a Python with torch
	scripts/install-llama-server.sh $(REAL)/llama-server
	scripts/install-torchserve.sh $(REAL)/torchserve
	scripts/install-chromium.sh $(REAL)/chromium
	scripts/install-hdrhistogram.sh $(REAL)/hdrhistogram
	$(GO) run ./internal/tinygguf/cmd/tinygguf -size medium $(REAL)/models

test-real: real ## tests against servers that we did not write; fetches them into .real/
	EVABENCH_BIN='$(abspath $(OUT))/evabench' \
	EVABENCH_LLAMA_SERVER='$(abspath $(REAL))/llama-server/llama-server' \
	EVABENCH_MODELS='$(abspath $(REAL))/models' \
	EVABENCH_TORCHSERVE='$(abspath $(REAL))/torchserve/torchserve' \
	EVABENCH_PYTHON='$(abspath $(REAL))/torchserve/python' \
	EVABENCH_GPU_CHECK='$(abspath $(OUT))/gpu-check' \
	EVABENCH_CHROMIUM='$(abspath $(REAL))/chromium/chromium' \
	EVABENCH_SOFFICE='$(SOFFICE)' \
	EVABENCH_HDRHISTOGRAM='$(abspath $(REAL))/hdrhistogram/HdrHistogram.jar' \
	$(GO) test -tags real -count=1 -timeout 30m -skip '^TestDocker|^TestCapacityRepeats' $(TESTFLAGS) ./realtest/...

test-workbook: ## the report's workbook in LibreOffice, which must be there: SOFFICE=/usr/bin/soffice
	EVABENCH_SOFFICE='$(SOFFICE)' \
	$(GO) test -tags real -count=1 -timeout 10m -run '^TestWorkbook' $(TESTFLAGS) ./realtest

test-page: ## the report's page in Chromium, which it fetches into .real/
	scripts/install-chromium.sh $(REAL)/chromium
	EVABENCH_CHROMIUM='$(abspath $(REAL))/chromium/chromium' \
	$(GO) test -tags real -count=1 -timeout 5m -run '^TestPage' $(TESTFLAGS) ./realtest

picture: build ## the README's picture of a report, docs/images/report.png, from a real sweep
	scripts/install-chromium.sh $(REAL)/chromium
	scripts/picture-report.sh $(OUT)/evabench $(REAL)/chromium/chromium docs/images/report.png

picture-sweep: build ## the README's picture of a running sweep, docs/images/sweep.svg; needs tmux
	scripts/picture-sweep.sh $(OUT)/evabench docs/images/sweep.svg

capacity-real: real ## the capacity of a real llama-server, five times: a quarter of an hour
	EVABENCH_BIN='$(abspath $(OUT))/evabench' \
	EVABENCH_LLAMA_SERVER='$(abspath $(REAL))/llama-server/llama-server' \
	EVABENCH_MODELS='$(abspath $(REAL))/models' \
	EVABENCH_TORCHSERVE='$(abspath $(REAL))/torchserve/torchserve' \
	$(GO) test -tags real -count=1 -timeout 60m -v -run '^TestCapacityRepeats' $(TESTFLAGS) ./realtest

test-docker: build ## the launcher docker against a Docker daemon of its own; root, cgroups
	scripts/install-docker.sh $(REAL)/docker
	EVABENCH_BIN='$(abspath $(OUT))/evabench' \
	EVABENCH_DOCKER='$(abspath $(REAL))/docker' \
	$(GO) test -tags real -count=1 -timeout 10m -run '^TestDocker' $(TESTFLAGS) ./realtest

clean: ## remove what make built and fetched; runs/ stays
	rm -rf $(OUT) $(REAL)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
