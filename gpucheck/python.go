package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// probe imports what the workers import, so that what is missing is told before
// minutes are spent, and so that the first worker finds it in memory. On a card it
// also computes there: a torch that sees a card may have no kernels for it.
const probe = `import sys
sys.path.insert(0, "../workers")
import reference
reference.set_environment(1)
import platform, torch, transformers
import chat_server, detecting, vision
print("Python", platform.python_version(), "torch", torch.__version__, "transformers", transformers.__version__, "CUDA", torch.version.cuda)
if sys.argv[1] == "gpu":
    if not torch.cuda.is_available():
        sys.exit("torch finds no usable GPU")
    image, weights = torch.ones(1, 3, 32, 32, device="cuda"), torch.ones(4, 3, 3, 3, device="cuda")
    assert torch.nn.functional.conv2d(image, weights).sum().item() == 4 * 30 * 30 * 27
    assert (image[0, 0] @ image[0, 0]).sum().item() == 32 ** 3
`

// probing is the probe's limit: a Python that nobody has used since the machine
// began is read from a slow disk.
const probing = 150 * time.Second

// findPython makes "python" of the scenarios, and has it try what the workers need
// of it. The simulated form needs none.
func (c *check) findPython(ctx context.Context) error {
	text, err := c.output(ctx, "version", c.evabench, "--version")
	if err != nil {
		return fmt.Errorf("ask evabench for its version: %w", err)
	}
	c.versions = []string{strings.TrimSpace(text)}
	if c.form == onSim {
		return nil
	}
	path, err := exec.LookPath(c.python)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return fmt.Errorf("a Python with torch, transformers and aiohttp: %w; name one in EVABENCH_PYTHON", err)
	}
	python := filepath.Join(c.scratch, "bin", "python")
	if err := os.WriteFile(python, []byte(c.pythonScript(path)), 0o700); err != nil {
		return err
	}
	text, err = c.outputWithin(ctx, probing, "python", python, "-c", probe, c.form)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; if programs in that folder may not be run (noexec), set TMPDIR to another", err)
	}
	if err != nil {
		return fmt.Errorf("%s cannot run the workers: %w; examples/workers/requirements.txt names what they need, EVABENCH_PYTHON another Python, and -cpu does without a GPU", path, err)
	}
	c.versions = append(c.versions, strings.TrimSpace(text))
	return nil
}

// pythonScript is a program that is the Python of that path. It is no link: a
// virtual environment is found by the program's own path. evabench passes few
// variables on to services, so what Python needs of ours stands here, and so do the
// folders in which torch and its like would leave kernels in the user's home.
func (c *check) pythonScript(path string) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	set := func(name, value string) { fmt.Fprintf(&b, "export %s=%s\n", name, shellQuoted(value)) }
	for _, name := range []string{"PYTHONPATH", "PYTHONUSERBASE"} {
		if value := os.Getenv(name); value != "" {
			set(name, value)
		}
	}
	for _, name := range []string{"XDG_CACHE_HOME", "HF_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH"} {
		set(name, filepath.Join(c.scratch, "tmp", "cache", name))
	}
	fmt.Fprintf(&b, "exec %s \"$@\"\n", shellQuoted(path))
	return b.String()
}

// shellQuoted makes one word of a text for a shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
