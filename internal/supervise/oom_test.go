package supervise

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// oomLines are lines of real logs, from the places named beside them, that tell
// of memory at its end.
var oomLines = []string{
	// vllm-project/vllm#783
	"torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.63 GiB (GPU 0; 44.56 GiB total capacity; 27.91 GiB already allocated; 565.31 MiB free; 27.93 GiB reserved in total by PyTorch)",
	// vllm-project/vllm#15598
	"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 MiB. GPU 6 has a total capacity of 44.53 GiB of which 448.00 KiB is free.",
	// QwenLM/Qwen3#458
	"OutOfMemoryError: CUDA out of memory. Tried to allocate 642.00 MiB. GPU",
	// vllm-project/vllm#188, maybleMyers/H1111#23
	"SUBPROCESS: RuntimeError: CUDA error: out of memory",
	// verl-project/verl#302
	"CUDA Error: out of memory at /workspace/csrc/cumem_allocator.cpp:62",
	// vllm-project/vllm#2248
	"ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
	// pytorch/pytorch#175666
	"[2026-02-24T20:21:58Z] (EngineCore_DP0 pid=6940) ValueError: Free memory on device cuda:1 (19.77/22.05 GiB) on startup is less than desired GPU memory utilization (0.9, 19.84 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
	// ggml-org/llama.cpp#20431
	"ggml_backend_cuda_buffer_type_alloc_buffer: allocating 144817.04 MiB on device 0: cudaMalloc failed: out of memory",
	// pytorch/serve#1663
	"2022-06-08 15:26:47,582 [INFO ] W-9000-maskrcnn_1.0-stdout MODEL_LOG - what():  std::bad_alloc",
	// Linux, mm/oom_kill.c
	"Memory cgroup out of memory: Killed process 1234 (python3) total-vm:1048576kB, anon-rss:524288kB",
	// CPython
	"MemoryError",
	"2022-06-08 15:26:47,582 [INFO ] W-9000-maskrcnn_1.0-stdout MODEL_LOG - MemoryError",
	// PyTorch, c10/core/impl/alloc_cpu.cpp
	"RuntimeError: [enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)",
	"OSError: [Errno 12] Cannot allocate memory",
	// NumPy
	"numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array with shape (1000000000,) and data type float64",
	// HotSpot
	"# There is insufficient memory for the Java Runtime Environment to continue.",
	"Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space",
}

// otherLines speak of memory or of an end, and tell of neither.
var otherLines = []string{
	// vllm-project/vllm#15598: advice of a server that starts well
	"INFO 03-27 10:29:03 [model_runner.py:1442] Capturing cudagraphs for decoding. If out-of-memory error occurs during cudagraph capture, consider decreasing `gpu_memory_utilization` or switching to eager mode.",
	"INFO 03-27 10:29:01 [worker.py:267] model weights take 20.64GiB; non_torch_memory takes 0.28GiB; PyTorch activation peak memory takes 1.52GiB; the rest of the memory reserved for KV Cache is 21.20GiB.",
	// pytorch/serve#281 and #1663: a worker that ended of whatever
	"2020-04-29 06:57:02,057 [DEBUG] W-9001-faster-rcnn_1.0 org.pytorch.serve.wlm.WorkerThread - Backend worker monitoring thread interrupted or backend worker process died.",
	"2022-06-08 15:26:47,582 [INFO ] W-9000-maskrcnn_1.0-stdout org.pytorch.serve.wlm.WorkerLifeCycle - Backend worker process died.",
	// ggml-org/llama.cpp#9629: it goes on without pinned memory
	"ggml_cuda_host_malloc: failed to allocate 1900,00 MiB of pinned memory: invalid argument",
	// HotSpot: an option that a launcher shows
	"VM arguments: -Xmx4g -XX:+ExitOnOutOfMemoryError",
	// CPython: the line that a traceback shows above what it raised
	"    raise MemoryError",
	"RuntimeError: CUDA error: an illegal memory access was encountered",
	"",
}

func TestToldOOM(t *testing.T) {
	for _, line := range oomLines {
		if got := ToldOOM(line); !strings.HasPrefix(got, `it wrote "`) {
			t.Errorf("%q: %q", line, got)
		}
	}
	for _, line := range otherLines {
		if got := ToldOOM(line); got != "" {
			t.Errorf("%q tells of memory: %s", line, got)
		}
	}
}

// TestOutOfMemory counts the lines of a program that goes on, and of all that came
// when it has ended.
func TestOutOfMemory(t *testing.T) {
	o := order(t, time.Second)
	o.Argv = append([]string{"/bin/sh", "-c", `for line; do echo "$line"; done; exec sleep 1000`, "sh"}, append(oomLines, otherLines...)...)
	o.Env = append(o.Env, "PATH="+os.Getenv("PATH"))
	p := launch(t, o)
	want := int64(len(oomLines))
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for again := time.NewTicker(5 * time.Millisecond); p.OutOfMemory() < want; {
		select {
		case <-again.C: // nobody tells of a line but the count
		case <-ctx.Done():
			t.Fatalf("%d of %d lines were counted", p.OutOfMemory(), want)
		}
	}
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if e, _ := p.Exit(); e.OOMs != want || p.OutOfMemory() != want {
		t.Errorf("after the end %d and %d, want %d", e.OOMs, p.OutOfMemory(), want)
	}
}

// TestOOMOfTheEnd counts the kernel's kills once, and no kill of ours.
func TestOOMOfTheEnd(t *testing.T) {
	cgroup := t.TempDir()
	write := func(kills string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(cgroup, "memory.events"), []byte("oom_kill "+kills+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("0")
	p := &Process{cgroup: cgroup, gone: make(chan struct{})}
	p.said.Store(2)
	if got := p.OutOfMemory(); got != 2 {
		t.Errorf("two lines: %d", got)
	}
	write("3")
	if got := p.OutOfMemory(); got != 5 {
		t.Errorf("two lines and three kills: %d", got)
	}
	if err := os.Remove(filepath.Join(cgroup, "memory.events")); err != nil {
		t.Fatal(err)
	}
	if got := p.OutOfMemory(); got != 5 {
		t.Errorf("a cgroup that is gone: %d, which fell", got)
	}
	write("1")
	c := countOOM(cgroup)
	write("4")
	if !c.own() || c.grown() != 3 {
		t.Errorf("the count %+v has grown by %d, want 3 of its own", c, c.grown())
	}
	if c := countOOM(""); c.own() || c.grown() != 0 {
		t.Errorf("of the machine: %+v, %d", c, c.grown())
	}
}
