package propose

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/listening"
)

// A Server is an inference server that runs.
type Server struct {
	// URL is where requests go, without a path; Page is where its own page is, if
	// that is another address (TorchServe's management).
	URL, Page string
	// Kind is vllm, sglang, llama-server, torchserve, triton, or openai for
	// another that speaks its chat API.
	Kind string
	// Models are the names that it answers to; none if it did not tell.
	Models []string
	// Seen says what shows that it is there.
	Seen string
	// Asked says that it was asked and has answered.
	Asked bool
}

// The kinds of server.
const (
	vllm        = "vllm"
	sglang      = "sglang"
	llamaServer = "llama-server"
	torchserve  = "torchserve"
	triton      = "triton"
	openai      = "openai"
)

// String names the server.
func (s Server) String() string { return fmt.Sprintf("%s at %s (%s)", s.Kind, s.URL, s.Seen) }

// role is the column of the tables that its answers belong to.
func (s Server) role() string {
	if s.Kind == torchserve {
		return vision
	}
	return agent
}

// unusable says why no load can be written for it; empty if it can.
func (s Server) unusable() string {
	switch {
	case s.Kind == triton:
		return "requests to Triton name tensors, which only you know: see endpoint kserve-v2"
	case len(s.Models) == 0 && s.Asked:
		return "it told no model that it serves"
	case len(s.Models) == 0:
		return "which models it serves is not known; --probe asks it"
	}
	return ""
}

// program tells which kind of server a command line is, empty if none that is known.
func program(args []string) string {
	for i, arg := range args {
		base := path.Base(arg)
		module := i > 0 && args[i-1] == "-m"
		switch {
		case base == "vllm" && i+1 < len(args) && args[i+1] == "serve", module && strings.HasPrefix(arg, "vllm.entrypoints.openai"):
			return vllm
		case module && strings.HasPrefix(arg, "sglang.launch_server"):
			return sglang
		case base == "llama-server":
			return llamaServer
		case arg == "org.pytorch.serve.ModelServer":
			return torchserve
		case base == "tritonserver":
			return triton
		}
		if i > 8 && !strings.HasSuffix(path.Base(args[0]), "java") {
			break // a name among data
		}
	}
	return ""
}

// usual is the port of requests that a kind takes if nobody says another.
var usual = map[string]int{vllm: 8000, sglang: 30000, llamaServer: 8080, torchserve: 8080, triton: 8000}

// FromProcesses finds servers by the command lines of what listens. It asks none.
func FromProcesses(sockets []listening.Socket) []Server {
	var found []Server
	var done []int
	for _, s := range sockets {
		kind := program(s.Args)
		if kind == "" || s.PID == 0 || slices.Contains(done, s.PID) {
			continue
		}
		done = append(done, s.PID)
		at := requests(kind, s, sockets)
		one := Server{URL: "http://" + at.Local().String(), Kind: kind, Seen: fmt.Sprintf("pid %d", s.PID), Models: models(kind, s.Args)}
		if kind == torchserve {
			one.Page = page(at, sockets)
		}
		found = append(found, one)
	}
	return found
}

// requests is the socket of a process to which requests go: the one that its
// arguments name, else the kind's usual one, else the first.
func requests(kind string, s listening.Socket, all []listening.Socket) listening.Socket {
	asked := option(s.Args, "--port", "--http-port")
	first := s
	for _, o := range all {
		if o.PID != s.PID {
			continue
		}
		if asked != "" && fmt.Sprint(o.Port()) == asked {
			return o
		}
		if o.Port() == usual[kind] {
			first = o
		}
	}
	return first
}

// page is the management address of a TorchServe: the port after that of requests,
// if the process has it.
func page(at listening.Socket, all []listening.Socket) string {
	for _, o := range all {
		if o.PID == at.PID && o.Port() == at.Port()+1 {
			return "http://" + o.Local().String()
		}
	}
	return ""
}

// option gives the value of a long option, "--port 8000" or "--port=8000".
func option(args []string, names ...string) string {
	for i, arg := range args {
		for _, name := range names {
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				return value
			}
			if arg == name && i+1 < len(args) {
				return args[i+1]
			}
		}
	}
	return ""
}

// models reads the names of models from a command line, where they stand.
func models(kind string, args []string) []string {
	name := ""
	switch kind {
	case vllm:
		name = option(args, "--served-model-name")
		if i := slices.Index(args, "serve"); name == "" && i >= 0 && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			name = args[i+1]
		}
		name = cmp.Or(name, option(args, "--model"))
	case sglang:
		name = option(args, "--served-model-name", "--model-path", "--model")
	case llamaServer:
		name = option(args, "--alias", "-a")
	}
	if name == "" {
		return nil
	}
	return []string{name}
}
