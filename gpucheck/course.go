package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The forms that the check can take.
const (
	onGPU = "gpu"
	onCPU = "cpu"
	onSim = "sim"
)

// The parts of the course, by the scenarios' file names.
const (
	calibrate = "calibrate"
	together  = "together"
	withVLM   = "with-vlm"
	failover  = "failover"
)

// A part is one scenario of the course, and its time: planned, the least with
// which it is begun, and the most that it may take.
type part struct {
	name                   string
	planned, least, atMost time.Duration
}

// courses are the parts of each form, in their order, for a check that may take
// limit in all. Off a card nobody knows how slow the machine is, and each may take
// half of it.
func courses(form string, limit time.Duration) []part {
	if form == onGPU {
		return []part{
			{calibrate, 70 * time.Second, 30 * time.Second, 240 * time.Second}, // the first start reads everything from disk
			{together, 195 * time.Second, 60 * time.Second, 300 * time.Second},
			{withVLM, 80 * time.Second, 45 * time.Second, 150 * time.Second},
			{failover, 65 * time.Second, 50 * time.Second, 150 * time.Second},
		}
	}
	return []part{
		{calibrate, 35 * time.Second, 10 * time.Second, limit / 2},
		{together, 30 * time.Second, 10 * time.Second, limit / 2},
		{withVLM, 40 * time.Second, 10 * time.Second, limit / 2},
		{failover, 40 * time.Second, 30 * time.Second, limit / 2},
	}
}

// reserve is what the end needs: evabench's own restoring, reports, archive.
const reserve = 25 * time.Second

// share gives how long the first of the parts may take of what is left, 0 if it
// is not to be begun.
func share(parts []part, left time.Duration) time.Duration {
	for _, later := range parts[1:] {
		left -= later.least
	}
	if left < parts[0].least {
		return 0
	}
	return min(left, parts[0].atMost)
}

// A check is one run of the program.
type check struct {
	options
	began   time.Time
	ended   time.Time // when it was judged
	talk    interface{ Write([]byte) (int, error) }
	scratch string // holds everything, and goes at the end
	tree    string // what becomes the archive, within scratch
	form    string
	// noGPU is why the form is that for processors though nobody asked for it.
	noGPU string
	// noMPS is why there is no part under MPS; empty if there is.
	noMPS string
	// versions are what evabench, Python and its libraries say of themselves.
	versions      []string
	before, after look
	parts         []partRun
	left          []string // processes of ours that had not ended
	facts         facts    // what the proofs were made of
}

// A partRun is what became of a part.
type partRun struct {
	part
	dir     string // run directory; empty if it was not begun
	leftOut string // why it was not begun, or was ended; empty if it was neither
	fault   string // why it failed
	exit    int
	took    time.Duration
	reports []string // faults of the reports
}

func (c *check) tell(format string, args ...any) {
	fmt.Fprintf(c.talk, "gpu-check %3.0f s: %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}

// prepare looks at the machine and makes the scratch folder. It changes nothing
// else.
func (c *check) prepare(ctx context.Context) (err error) {
	if _, err := exec.LookPath(c.evabench); err != nil {
		return fmt.Errorf("the program to check: %w; build it (make build) or name it with -evabench", err)
	}
	if err := checkOut(c.out); err != nil {
		return err
	}
	// Sockets of MPS daemons are in it: its path must be short.
	temp := os.TempDir()
	if len(temp) > 30 {
		temp = "/tmp"
	}
	if c.scratch, err = os.MkdirTemp(temp, "gpu-check-"); err != nil {
		return err
	}
	c.tree = filepath.Join(c.scratch, "gpu-check")
	for _, folder := range []string{"bin", "tmp", "gpu-check/logs", "gpu-check/runs"} {
		if err := os.MkdirAll(filepath.Join(c.scratch, folder), 0o700); err != nil {
			return err
		}
	}
	for _, folder := range []string{"gpu-check", "workers"} {
		if err := os.CopyFS(filepath.Join(c.scratch, "examples", folder), os.DirFS(filepath.Join(c.examples, folder))); err != nil {
			return fmt.Errorf("copy the scenarios and workers: %w; name their folder with -examples", err)
		}
	}
	c.before = c.inspect(ctx, "before")
	if !c.cpu && c.sim == "" && c.before.fault != "" && exists(cardFile) {
		return fmt.Errorf("there is a card (%s), and evabench cannot ask it: %s; if the driver's libraries are in a folder of their own, name it in LD_LIBRARY_PATH; -cpu does without the card", cardFile, c.before.fault)
	}
	c.chooseForm()
	if c.form == onGPU && !c.busy {
		if others := c.before.others(); len(others) > 0 {
			return fmt.Errorf("the card is in use, by %s: both would be disturbed; end them or wait, and -busy runs beside them", strings.Join(others, ", "))
		}
	}
	if c.limit == 0 {
		c.limit = 8 * time.Minute
		if c.form == onCPU {
			c.limit = 4 * time.Minute
		}
	}
	if err := c.findPython(ctx); err != nil {
		return err
	}
	return c.rewrite()
}

// Where a driver is that is mounted into a machine, and the first card.
const (
	driverFolder = "/usr/local/nvidia" // bin and lib64
	cardFile     = "/dev/nvidia0"
	mpsControl   = "nvidia-cuda-mps-control"
	mpsServer    = "nvidia-cuda-mps-server"
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkOut asks, before minutes are spent, that the archive can be written.
func checkOut(out string) error {
	f, err := os.OpenFile(out+".part", os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the archive: %w; name a file in a folder that can be written with -out", err)
	}
	return errors.Join(f.Close(), os.Remove(out+".part"))
}

// chooseForm decides what is run, and says loudly what is not.
func (c *check) chooseForm() {
	switch {
	case c.sim != "":
		c.form = onSim
		c.tell("SIMULATED: the course runs on the simulated server %s; nothing is shown of a card", c.sim)
		return
	case c.cpu:
		c.form = onCPU
	case c.before.fault != "" || len(c.before.state.GPUs) == 0:
		c.form = onCPU
		c.noGPU = "no GPU was found"
		if c.before.fault != "" {
			c.noGPU += ": " + c.before.fault
		}
	default:
		c.form = onGPU
	}
	if c.form == onCPU {
		c.noMPS = "the form for processors has no GPU"
		c.tell("NO GPU: small models on processors; nothing is shown of a card. %s", c.noGPU)
		return
	}
	for _, program := range []string{mpsServer, mpsControl} {
		if _, err := exec.LookPath(program); err != nil && !exists(filepath.Join(driverFolder, "bin", program)) {
			c.noMPS = program + " is not in PATH"
		}
	}
	if c.noMPS == "" && c.before.state.Blind != "" {
		c.noMPS = "evabench starts no MPS daemon here: " + c.before.state.Blind
	}
	if c.noMPS != "" {
		c.tell("NO MPS: the parts under MPS are LEFT OUT: %s", c.noMPS)
	}
}

// rewrite fits the copies of the scenarios to this machine.
func (c *check) rewrite() error {
	if c.form == onCPU {
		return nil
	}
	const anyBackend, bothSharings, someThreads = "backend: {kind: nvidia}", "sharing: [ts, mps]", `sharing: ["mps:50"]`
	for _, p := range courses(c.form, c.limit) {
		file := c.scenario(p.name)
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !bytes.Contains(text, []byte(anyBackend)) {
			return fmt.Errorf("%s does not hold %q", file, anyBackend)
		}
		pairs := []string{anyBackend, "backend: {kind: nvidia, mps_dir: " + c.scratch + "/mps}"}
		if c.noMPS != "" {
			pairs = append(pairs, bothSharings, "sharing: [ts]", someThreads, "sharing: [ts]")
		}
		if c.form == onSim { // its models have other names
			pairs = append(pairs, "rt-detrv2-r50", "rt-detrv2", "owlv2", "owl-v2", "omdet-turbo", "omdet", "not-vllm-2b", "qwen3-vl-8b")
			if p.name == withVLM { // its VLM takes 90 % of a card that the detectors have a part of
				pairs = append(pairs, bothSharings, bothSharings+"\n  params: {agent.gpu_memory_utilization: [\"0.6\"]}")
			}
		}
		if err := os.WriteFile(file, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// scenario gives the file of a part, in the scratch folder.
func (c *check) scenario(name string) string {
	if c.form == onCPU {
		name += "-cpu"
	}
	return filepath.Join(c.scratch, "examples", "gpu-check", name+".yaml")
}

// drive runs the parts, looks again, and makes the reports.
func (c *check) drive(ctx context.Context) {
	end := c.began.Add(c.limit - reserve)
	all := courses(c.form, c.limit)
	for i, p := range all {
		r := partRun{part: p}
		limit := share(all[i:], time.Until(end))
		switch {
		case ctx.Err() != nil:
			r.leftOut = "gpu-check was interrupted"
		case limit == 0:
			r.leftOut = fmt.Sprintf("too little of the %v was left", c.limit)
		default:
			c.sweep(ctx, &r, limit)
		}
		if text := r.leftOut + r.fault; text != "" {
			c.tell("%s: %s", p.name, text)
		}
		c.parts = append(c.parts, r)
	}
	ctx = context.WithoutCancel(ctx)
	c.after = c.inspect(ctx, "after")
	// A process that has just ended may stand there for seconds yet.
	for range 4 {
		if c.form != onGPU || len(differences(c.before, c.after)) == 0 {
			break
		}
		time.Sleep(2 * time.Second)
		c.after = c.inspect(ctx, "after-again")
	}
	c.left = c.endLeft()
	for i := range c.parts {
		if c.parts[i].dir != "" {
			c.report(ctx, &c.parts[i])
		}
	}
}

// sweep runs one part for at most limit.
func (c *check) sweep(ctx context.Context, r *partRun, limit time.Duration) {
	c.tell("%s: planned %v, at most %v", r.name, r.planned, limit.Round(time.Second))
	began := time.Now()
	dir := filepath.Join(c.tree, "runs", r.name)
	args := append([]string{"sweep", c.scenario(r.name), "--yes", "--no-selftest", "--out", dir}, c.stateArgs()...)
	if c.form == onSim {
		args = append(args, "--sim-scale", fmt.Sprint(c.simScale))
	}
	exit, ended, err := c.command(ctx, r.name, limit, c.evabench, args...)
	r.exit, r.took = exit, time.Since(began)
	if _, there := os.Stat(dir); there == nil {
		r.dir = dir
	}
	switch {
	case ctx.Err() != nil:
		r.leftOut = "gpu-check was interrupted: its rest was left out"
	case errors.Is(err, errKilled):
		r.fault = "evabench did not end after SIGINT and was killed; then gpu restore was called"
		if _, err := c.output(context.WithoutCancel(ctx), "restore", c.evabench, append([]string{"gpu", "restore"}, c.stateArgs()...)...); err != nil {
			r.fault += ", which failed: " + err.Error()
		}
	case err != nil:
		r.fault = err.Error()
	case ended:
		r.leftOut = fmt.Sprintf("ended after %v: its rest was left out", limit.Round(time.Second))
	case exit != 0 && exit != noneValid:
		r.fault = fmt.Sprintf("evabench sweep gave exit status %d (logs/%s.err): %.300s", exit, r.name, c.lastLine(r.name))
	}
}

// noneValid is evabench's exit status where no measurement is valid: all that was
// counted stands all the same.
const noneValid = 4

// stateArgs are the flags of evabench for where the cards and its journal are.
func (c *check) stateArgs() []string {
	if c.form == onSim || c.sim != "" {
		return []string{"--sim", c.sim}
	}
	return []string{"--state-dir", filepath.Join(c.scratch, "state")}
}

// report makes a run's report in each format.
func (c *check) report(ctx context.Context, r *partRun) {
	for _, format := range formats() {
		file := filepath.Join(r.dir, "report."+format[1])
		if _, err := c.output(ctx, "report-"+r.name+"-"+format[0], c.evabench, "report", r.dir, "--format", format[0], "--out", file); err != nil {
			r.reports = append(r.reports, format[0]+": "+err.Error())
		}
	}
}

// formats are those of evabench report, with the ends of their files' names.
func formats() [][2]string {
	return [][2]string{{"json", "json"}, {"markdown", "md"}, {"terminal", "txt"}, {"xlsx", "xlsx"}}
}
