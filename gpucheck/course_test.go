package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What runs is what the machine has, and what does not run is told.
func TestForm(t *testing.T) {
	const oneCard = `{"system": {"driver": "580"}, "gpus": [{"name": "H100", "uuid": "GPU-1"}]`
	for _, c := range []struct {
		name        string
		options     options
		before      look
		mps         bool // whether there is an MPS control program
		form, noMPS string
		says        string
	}{
		{"a card", options{}, read(oneCard + "}"), true, onGPU, "", ""},
		{"a card without MPS", options{}, read(oneCard + "}"), false, onGPU, "nvidia-cuda-mps-control is not in PATH", "NO MPS: the parts under MPS are LEFT OUT"},
		{"a card in a container", options{}, read(oneCard + `, "blind": "its own PIDs"}`), true, onGPU, "evabench starts no MPS daemon here: its own PIDs", "LEFT OUT"},
		{"no driver", options{}, look{fault: "no driver"}, true, onCPU, "the form for processors has no GPU", "NO GPU: small models on processors; nothing is shown of a card. no GPU was found: no driver"},
		{"no card", options{}, read(`{"gpus": []}`), true, onCPU, "the form for processors has no GPU", "NO GPU"},
		{"a card that is not wanted", options{cpu: true}, read(oneCard + "}"), true, onCPU, "the form for processors has no GPU", "NO GPU"},
		{"simulated", options{sim: "h100x1"}, read(oneCard + "}"), false, onSim, "", "SIMULATED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bin := t.TempDir()
			if c.mps {
				need(t, os.WriteFile(filepath.Join(bin, mpsControl), []byte("#!/bin/sh\n"), 0o700))
				need(t, os.WriteFile(filepath.Join(bin, mpsServer), []byte("#!/bin/sh\n"), 0o700))
			}
			t.Setenv("PATH", bin)
			var talk strings.Builder
			k := &check{options: c.options, before: c.before, talk: &talk}
			k.chooseForm()
			if k.form != c.form || k.noMPS != c.noMPS || !strings.Contains(talk.String(), c.says) || (c.says == "") != (talk.Len() == 0) {
				t.Errorf("form %q, no MPS %q, says %q; want %q, %q, %q", k.form, k.noMPS, talk.String(), c.form, c.noMPS, c.says)
			}
		})
	}
}

// The scenarios are fitted to the machine: folders of MPS daemons in scratch, and
// no MPS where there is none.
func TestRewrite(t *testing.T) {
	for _, c := range []struct {
		form, noMPS       string
		holds, lacks      []string
		sharings, threads int // how often both sharings, and a part of the threads, are asked for
	}{
		{onGPU, "", []string{"mps_dir: ", "owlv2"}, nil, 2, 1},
		{onGPU, "none here", []string{"mps_dir: "}, nil, 0, 0},
		{onSim, "", []string{"owl-v2", "gpu_memory_utilization"}, []string{"owlv2", "not-vllm", "r50", "omdet-turbo"}, 2, 1},
	} {
		k := &check{form: c.form, noMPS: c.noMPS, scratch: t.TempDir()}
		need(t, os.CopyFS(filepath.Join(k.scratch, "examples", "gpu-check"), os.DirFS("../examples/gpu-check")))
		need(t, k.rewrite())
		all := ""
		for _, p := range courses(c.form, 0) {
			text, err := os.ReadFile(k.scenario(p.name))
			need(t, err)
			all += string(text)
		}
		for _, want := range c.holds {
			if !strings.Contains(all, want) {
				t.Errorf("%s: no %q", c.form, want)
			}
		}
		for _, not := range c.lacks {
			if strings.Contains(all, not) {
				t.Errorf("%s: still %q", c.form, not)
			}
		}
		if both, threads := strings.Count(all, "[ts, mps]"), strings.Count(all, "mps:50"); both != c.sharings || threads != c.threads {
			t.Errorf("%s, no MPS %q: both sharings %d times, a part of the threads %d times; want %d and %d", c.form, c.noMPS, both, threads, c.sharings, c.threads)
		}
	}
}

// A process is ours by its environment; it is told of and ended. Another's is not,
// nor one of somebody who looks on in the folder.
func TestEndLeft(t *testing.T) {
	k := &check{scratch: t.TempDir()}
	start := func(dir string, env ...string) *exec.Cmd {
		cmd := exec.Command("cat") // which waits for its input's end
		in, err := cmd.StdinPipe()
		need(t, err)
		out, err := cmd.StdoutPipe()
		need(t, err)
		cmd.Dir, cmd.Env = dir, env
		need(t, cmd.Start())
		t.Cleanup(func() { in.Close(); cmd.Wait() })
		_, err = io.WriteString(in, "x") // until it answers, its environment may not be there to read
		need(t, err)
		_, err = out.Read(make([]byte, 1))
		need(t, err)
		return cmd
	}
	others := []*exec.Cmd{start("/", "A=B"), start(k.scratch, "PWD="+k.scratch, "OLDPWD="+k.scratch+"/tmp", "_="+k.scratch+"/a")}
	ours := []*exec.Cmd{start("/", "PATH=/bin:"+k.scratch+"/bin"), start("/", "TMPDIR="+k.scratch+"/tmp")}
	left := k.endLeft()
	if len(left) != 2 {
		t.Fatalf("found %q, want two", left)
	}
	for _, cmd := range ours {
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("one of ours ended with %v", err)
		}
	}
	for _, cmd := range others {
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("another's: %v", err)
		}
	}
}

// The archive's place is tried before anything else.
func TestCheckOut(t *testing.T) {
	dir := t.TempDir()
	need(t, checkOut(filepath.Join(dir, "a.tar.gz")))
	if err := checkOut(filepath.Join(dir, "none", "a.tar.gz")); err == nil {
		t.Error("a folder that is not there")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A card on which somebody computes is not taken.
func TestOthers(t *testing.T) {
	l := read(`{"gpus": [{"name": "H100", "processes": [
		{"pid": 7, "name": "Xorg", "kind": "graphics"}, {"pid": 8, "name": "nvidia-cuda-mps-server", "kind": "compute"},
		{"pid": 9, "name": "train", "kind": "compute"}, {"pid": 10, "name": "serve", "kind": "mps"}]},
		{"name": "H100", "processes": [{"pid": 11, "name": "of another card", "kind": "compute"}]}]}`)
	if got := strings.Join(l.others(), ", "); got != "process 9 (train), process 10 (serve)" {
		t.Errorf("in use by %q", got)
	}
	if got := read(`{"gpus": []}`).others(); len(got) > 0 {
		t.Errorf("without a card in use by %q", got)
	}
}

// What evabench would not pass on, and what no user's home should hold, reaches the
// workers' Python, whatever stands in its path.
func TestPythonScript(t *testing.T) {
	k := &check{scratch: t.TempDir()}
	program := filepath.Join(k.scratch, "it's Python")
	need(t, os.WriteFile(program, []byte("#!/bin/sh\necho \"$1,$PYTHONPATH,$HF_HOME,$CUDA_CACHE_PATH\"\n"), 0o700))
	t.Setenv("PYTHONPATH", "/tmp/site packages")
	script := filepath.Join(k.scratch, "python")
	need(t, os.WriteFile(script, []byte(k.pythonScript(program)), 0o700))
	cmd := exec.Command(script, "a b")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	text, err := cmd.Output()
	need(t, err)
	cache := k.scratch + "/tmp/cache/"
	if want := "a b,/tmp/site packages," + cache + "HF_HOME," + cache + "CUDA_CACHE_PATH\n"; string(text) != want {
		t.Errorf("%q, want %q", text, want)
	}
}
