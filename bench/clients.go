package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A client is a load generator.
type client struct {
	name    string
	path    string
	version string
	// command gives the command line for a group, nil if the client cannot do it.
	command func(b *bench, g group, url, dir string) []string
	// quantiles reads what the client tells of latencies, in seconds by quantile;
	// nil where it tells none that we read.
	quantiles func(out string, dir string) (map[float64]float64, error)
}

// peer describes how another load generator is found and asked.
type peer struct {
	name      string
	version   []string
	command   func(b *bench, g group, url, dir string) []string
	quantiles func(out, dir string) (map[float64]float64, error)
}

// The quantiles that are compared.
var told = [...]float64{0.5, 0.99, 0.999}

// peers lists the others. In open loops each gets the settings that do best for
// it: without a bound on workers vegeta opens thousands of connections and falls
// behind, so it has 64 but where the server stalls; k6 has 200 virtual users and
// may add up to 2000.
func peers() []peer {
	return []peer{
		{"wrk", []string{"-v"}, wrk, nil},
		{"fortio", []string{"version"}, fortio, fortioQuantiles},
		{"ab", []string{"-V"}, ab, nil},
		{"hey", nil, hey, nil},
		{"vegeta", []string{"-version"}, vegeta, vegetaQuantiles},
		{"k6", []string{"version"}, k6, k6Quantiles},
	}
}

// prepare finds the clients and writes the files that they are given.
func (b *bench) prepare(ctx context.Context) error {
	if _, err := exec.LookPath(b.evabench); err != nil {
		return fmt.Errorf("%w; make build makes it", err)
	}
	if err := b.choose(); err != nil {
		return err
	}
	skip := names(b.skip)
	b.clients = []client{{name: "evabench", path: b.evabench, version: firstLine(ctx, b.evabench, "--version")}}
	for _, p := range peers() {
		path, err := exec.LookPath(p.name)
		if err != nil {
			fmt.Fprintf(b.talk, "bench: %s is not there: left out\n", p.name)
			continue
		}
		if !skip[p.name] {
			b.clients = append(b.clients, client{p.name, path, firstLine(ctx, path, p.version...), p.command, p.quantiles})
		}
	}
	b.clients = append(b.clients, client{name: floorName})
	body := make([]byte, 102_400)
	for i := range body {
		body[i] = byte(i * 7)
	}
	b.body = filepath.Join(b.dir, "body")
	if err := os.WriteFile(b.body, body, 0o600); err != nil {
		return err
	}
	lua := "local f = io.open(\"" + b.body + "\", \"rb\")\nwrk.method = \"POST\"\nwrk.body = f:read(\"*a\")\nwrk.headers[\"Content-Type\"] = \"image/jpeg\"\n"
	if err := os.WriteFile(filepath.Join(b.dir, "post.lua"), []byte(lua), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "load.js"), []byte(k6Script), 0o600)
}

// choose takes the groups that are asked for.
func (b *bench) choose() error {
	only := names(b.only)
	for name := range only {
		if !slices.Contains(groupNames(), name) {
			return fmt.Errorf("unknown group %q; known: %v", name, groupNames())
		}
	}
	for _, g := range groups(b.quick) {
		if len(only) == 0 || only[g.name] {
			b.groups = append(b.groups, g)
		}
	}
	return nil
}

// firstLine is the first line that a client says of itself.
func firstLine(ctx context.Context, path string, args ...string) string {
	if len(args) == 0 {
		return ""
	}
	out, _ := exec.CommandContext(ctx, path, args...).CombinedOutput() // some exit with a fault
	for line := range strings.Lines(string(out)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " Copyright")
		line, _, _ = strings.Cut(line, " h1:") // fortio tells its hash
		if line != "" && !strings.HasSuffix(line, ":") {
			return strings.TrimPrefix(line, "Version: ")
		}
	}
	return ""
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) + "s" }

func wrk(b *bench, g group, url, _ string) []string {
	if g.rate > 0 {
		return nil
	}
	c := []string{"-t1", "-c" + strconv.Itoa(g.connections), "-d" + seconds(g.length)}
	if g.image {
		c = append(c, "-s", filepath.Join(b.dir, "post.lua"))
	}
	return append(c, url)
}

func ab(b *bench, g group, url, _ string) []string {
	if g.rate > 0 {
		return nil
	}
	c := []string{"-q", "-k", "-c", strconv.Itoa(g.connections), "-t", strconv.Itoa(int(g.length.Seconds())), "-n", "100000000"}
	if g.image {
		c = append(c, "-p", b.body, "-T", "image/jpeg")
	}
	return append(c, url)
}

func fortio(b *bench, g group, url, dir string) []string {
	c := []string{"load", "-quiet", "-loglevel", "error", "-t", seconds(g.length), "-allow-initial-errors", "-r", "0.0001",
		"-p", "50,99,99.9", "-json", filepath.Join(dir, "fortio.json")}
	if g.rate == 0 {
		c = append(c, "-qps", "0", "-c", strconv.Itoa(g.connections))
	} else {
		c = append(c, "-qps", strconv.Itoa(g.rate), "-c", "64", "-uniform")
	}
	if g.image {
		c = append(c, "-payload-file", b.body, "-content-type", "image/jpeg")
	}
	return append(c, url)
}

func hey(b *bench, g group, url, _ string) []string {
	c := []string{"-z", seconds(g.length)}
	if g.rate == 0 {
		c = append(c, "-c", strconv.Itoa(g.connections))
	} else {
		workers := 50 // a rate of each in whole numbers
		c = append(c, "-c", strconv.Itoa(workers), "-q", strconv.Itoa(g.rate/workers))
	}
	if g.image {
		c = append(c, "-m", "POST", "-D", b.body, "-T", "image/jpeg")
	}
	return append(c, url)
}

func vegeta(b *bench, g group, url, dir string) []string {
	method := "GET"
	c := []string{"attack", "-duration=" + seconds(g.length), "-output=" + filepath.Join(dir, "vegeta.bin")}
	if g.image {
		method, c = "POST", append(c, "-body="+b.body)
	}
	targets := filepath.Join(dir, "targets")
	if os.WriteFile(targets, []byte(method+" "+url+"\n"), 0o600) != nil {
		return nil
	}
	c = append(c, "-targets="+targets)
	switch {
	case g.rate == 0:
		n := strconv.Itoa(g.connections)
		return append(c, "-rate=0", "-workers="+n, "-max-workers="+n)
	case g.name == stalls:
		return append(c, "-rate="+strconv.Itoa(g.rate))
	}
	return append(c, "-rate="+strconv.Itoa(g.rate), "-max-workers=64")
}

const k6Script = `import http from 'k6/http';
const body = __ENV.BODY ? open(__ENV.BODY, 'b') : null;
const rate = Number(__ENV.RATE);
export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ['p(50)', 'p(99)', 'p(99.9)', 'max'],
  scenarios: { load: rate > 0
    ? { executor: 'constant-arrival-rate', rate: rate, timeUnit: '1s', duration: __ENV.LENGTH, preAllocatedVUs: 200, maxVUs: 2000 }
    : { executor: 'constant-vus', vus: Number(__ENV.CONNECTIONS), duration: __ENV.LENGTH } },
};
export default function () {
  if (body) http.post(__ENV.URL, body, { headers: { 'Content-Type': 'image/jpeg' } });
  else http.get(__ENV.URL);
}
`

func k6(b *bench, g group, url, dir string) []string {
	c := []string{"run", "-q", "--no-usage-report", "--no-color", "--log-output=none", "--summary-export", filepath.Join(dir, "k6.json"),
		"-e", "URL=" + url, "-e", "LENGTH=" + seconds(g.length), "-e", "RATE=" + strconv.Itoa(g.rate), "-e", "CONNECTIONS=" + strconv.Itoa(g.connections)}
	if g.image {
		c = append(c, "-e", "BODY="+b.body)
	}
	return append(c, filepath.Join(b.dir, "load.js"))
}

func fortioQuantiles(_, dir string) (map[float64]float64, error) {
	var r struct {
		DurationHistogram struct {
			Percentiles []struct{ Percentile, Value float64 }
		}
	}
	if err := readJSON(filepath.Join(dir, "fortio.json"), &r); err != nil {
		return nil, err
	}
	q := map[float64]float64{}
	for _, p := range r.DurationHistogram.Percentiles {
		for _, want := range told {
			if math.Abs(p.Percentile-want*100) < 1e-6 {
				q[want] = p.Value
			}
		}
	}
	return q, nil
}

func k6Quantiles(_, dir string) (map[float64]float64, error) {
	var r struct {
		Metrics map[string]map[string]any `json:"metrics"`
	}
	if err := readJSON(filepath.Join(dir, "k6.json"), &r); err != nil {
		return nil, err
	}
	q := map[float64]float64{}
	for quantile, name := range map[float64]string{0.5: "p(50)", 0.99: "p(99)", 0.999: "p(99.9)"} {
		if ms, ok := r.Metrics["http_req_duration"][name].(float64); ok {
			q[quantile] = ms / 1e3
		}
	}
	return q, nil
}

// vegetaQuantiles lets vegeta report every result, and takes the quantiles from
// those.
func vegetaQuantiles(_, dir string) (map[float64]float64, error) {
	cmd := exec.Command("vegeta", "encode", "-to=csv", filepath.Join(dir, "vegeta.bin"))
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []float64
	for line := range strings.Lines(string(out)) {
		if cells := strings.SplitN(line, ",", 4); len(cells) == 4 {
			ns, err := strconv.ParseFloat(cells[2], 64)
			if err != nil {
				return nil, err
			}
			all = append(all, ns/1e9)
		}
	}
	return quantilesOf(all), nil
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
