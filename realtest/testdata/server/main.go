// Command server is what the containers of the tests run.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"

	"github.com/evabench/evabench/loadgen/stub"
)

func main() {
	// Whatever else is asked is answered as the load generator's own tests are.
	answers, err := stub.Start(stub.Options{})
	if err != nil {
		log.Fatal(err)
	}
	to, err := url.Parse(answers.URL())
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", httputil.NewSingleHostReverseProxy(to))
	http.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\n")) })
	http.HandleFunc("/die", func(http.ResponseWriter, *http.Request) {
		fmt.Println("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
		os.Exit(3)
	})
	http.HandleFunc("/eat", func(http.ResponseWriter, *http.Request) { eat() })
	fmt.Println("serving on", os.Args[1], os.Getenv("TEST_API_TOKEN"))
	fmt.Println(http.ListenAndServe(os.Args[1], nil))
}

// eat takes memory until it gets none.
func eat() {
	var all [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1
		}
		all = append(all, block)
		if len(all)%8 == 0 {
			fmt.Println(len(all), "MiB")
		}
	}
}
