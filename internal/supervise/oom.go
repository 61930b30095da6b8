package supervise

import (
	"fmt"
	"slices"
	"strings"
)

// oomTexts is what programs write when memory, the card's or the host's, is at
// its end, each with where it comes from.
//
// Note: "out of memory" alone would take vLLM's advice ("If out-of-memory error
// occurs during cudagraph capture …"), and TorchServe's "Worker died" comes of any
// fault of a worker.
var oomTexts = []string{
	"CUDA out of memory",               // PyTorch, CUDACachingAllocator.cpp; vllm-project/vllm#783
	"torch.OutOfMemoryError",           // PyTorch since 2.5; vllm-project/vllm#15598
	"torch.cuda.OutOfMemory",           // PyTorch before; vllm-project/vllm#2140
	"CUDA error: out of memory",        // PyTorch, CUDAException.cpp, and ggml; vllm-project/vllm#188, ggml-org/llama.cpp#4680
	"CUDA Error: out of memory",        // vLLM, cumem_allocator.cpp; verl-project/verl#302
	"CUDA_ERROR_OUT_OF_MEMORY",         // CUDA driver API, CUresult 2
	"cudaErrorMemoryAllocation",        // CUDA runtime API, cudaError_t 2
	"cudaMalloc failed: out of memory", // ggml, ggml-cuda.cu; ggml-org/llama.cpp#20431
	"CUBLAS_STATUS_ALLOC_FAILED",       // cuBLAS: "usually caused by a cudaMalloc() failure"
	"CUDNN_STATUS_ALLOC_FAILED",        // cuDNN, likewise

	"No available memory for the cache blocks",     // vLLM; vllm-project/vllm#2248
	"is less than desired GPU memory utilization",  // vLLM, v1/worker; pytorch/pytorch#175666
	"is larger than the available KV cache memory", // vLLM, v1/core/kv_cache_utils.py

	"std::bad_alloc",                                       // C++; pytorch/serve#1663
	"MemoryError:",                                         // Python, and NumPy's _ArrayMemoryError
	"[Errno 12] Cannot allocate memory",                    // Python, of a system call: ENOMEM
	"DefaultCPUAllocator: can't allocate memory",           // PyTorch, c10/core/impl/alloc_cpu.cpp
	"DefaultCPUAllocator: not enough memory",               // the same on Windows and in older versions
	"java.lang.OutOfMemoryError",                           // Java
	"insufficient memory for the Java Runtime Environment", // HotSpot, os.cpp
	"ut of memory: Killed process",                         // Linux, mm/oom_kill.c, where a container logs the kernel
}

// ToldOOM gives a text's line in a few words if it tells that memory is at its
// end, else nothing.
func ToldOOM(text string) string {
	for _, known := range oomTexts {
		if at := strings.Index(text, known); at >= 0 {
			return quoteOOM(text[at:])
		}
	}
	// Python writes no colon where the exception says nothing more. A traceback
	// shows the line that raised it, too.
	if words := strings.Fields(text); len(words) > 0 && words[len(words)-1] == "MemoryError" && !slices.Contains(words, "raise") {
		return quoteOOM("MemoryError")
	}
	return ""
}

func quoteOOM(said string) string {
	return fmt.Sprintf("it wrote %q", strings.ToValidUTF8(said[:min(len(said), 200)], "?"))
}
