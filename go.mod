module github.com/evabench/evabench

go 1.26.0

// What the program is built with. Each has its reason; load, partitioning and
// analysis are our own.
require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0 // the histogram and log format that others' tools read
	github.com/NVIDIA/go-nvml v0.13.4-0 // NVML's header and calls; the library itself is opened at run time
	github.com/goccy/go-yaml v1.19.2 // YAML with line and column of every node, so that faults have a place
	github.com/gofrs/flock v0.13.1 // the lock of a run directory; the fake's file between processes
	github.com/google/renameio/v2 v2.0.2 // files whole or not at all
	github.com/mattn/go-runewidth v0.0.19 // columns that align with wide characters; later ones make tables at every start (20 ms)
	github.com/parquet-go/parquet-go v0.32.0 // samples and observations, readable by every data tool
	github.com/prometheus/client_model v0.6.2 // tests: the types that expfmt parses into
	github.com/prometheus/common v0.66.1 // tests: expfmt, Prometheus' own parser, which ours is held against
	github.com/prometheus/procfs v0.15.1 // what the host and our process use
	github.com/spf13/cobra v1.10.2 // the verbs, help and completions of the command
	github.com/spf13/pflag v1.0.9 // cobra's own flags
	github.com/vbauerster/mpb/v8 v8.11.3 // bars on a terminal, lines above them; later ones need the later runewidth
	github.com/xuri/excelize/v2 v2.11.0 // the workbook
	golang.org/x/sync v0.23.0 // errgroup; a weighted semaphore
	golang.org/x/sys v0.48.0 // the kernel's timer, for pacing
	gonum.org/v1/gonum v0.16.0 // linear algebra of the fit of the simulated servers
)

// What only tests use.
require (
	github.com/chromedp/cdproto v0.159.0 // what chromedp speaks: requests, console, print
	github.com/chromedp/chromedp v0.22.1 // the report's page in a real browser
	github.com/prometheus/prometheus v0.55.1 // PromQL as Prometheus itself reads it, for the alert rules; later ones raise what we build with
	github.com/rogpeppe/go-internal v1.14.1 // testscript: commands tried as users type them
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.2 // judges summary.json by its schema
	go.uber.org/goleak v1.3.0 // goroutines that outlive a test
	golang.org/x/net v0.59.0 // HTML as browsers parse it
	pgregory.net/rapid v1.3.0 // properties, with shrinking
)

require (
	github.com/BurntSushi/toml v1.4.1-0.20240526193622-a339e1f7089c // indirect
	github.com/VividCortex/ewma v1.2.0 // indirect
	github.com/acarl005/stripansi v0.0.0-20180116102854-5a71ef0e047d // indirect
	github.com/andybalholm/brotli v1.1.1 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/dennwc/varint v1.0.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/go-kit/log v0.2.1 // indirect
	github.com/go-logfmt/logfmt v0.6.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/grafana/regexp v0.0.0-20240518133315-a468a5bfb3bc // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/klauspost/compress v1.17.9 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/parquet-go/bitpack v1.0.0 // indirect
	github.com/parquet-go/jsonlite v1.0.0 // indirect
	github.com/pierrec/lz4/v4 v4.1.21 // indirect
	github.com/prometheus/client_golang v1.20.4 // indirect
	github.com/richardlehane/mscfb v1.0.7 // indirect
	github.com/richardlehane/msoleps v1.0.6 // indirect
	github.com/tiendc/go-deepcopy v1.7.2 // indirect
	github.com/twpayne/go-geom v1.6.1 // indirect
	github.com/xuri/efp v0.0.1 // indirect
	github.com/xuri/nfp v0.0.2-0.20250530014748-2ddeb826f9a9 // indirect
	go.uber.org/atomic v1.11.0 // indirect
	go.yaml.in/yaml/v2 v2.4.2 // indirect
	golang.org/x/crypto v0.57.0 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/image v0.46.0 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/telemetry v0.0.0-20260924152758-ed294f943157 // indirect
	golang.org/x/text v0.42.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	golang.org/x/vuln v1.8.0 // indirect
	google.golang.org/protobuf v1.36.8 // indirect
	honnef.co/go/tools v0.8.2 // indirect
)

tool (
	golang.org/x/vuln/cmd/govulncheck // for make vuln
	honnef.co/go/tools/cmd/staticcheck // for make staticcheck
)
