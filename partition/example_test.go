package partition_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/evabench/evabench/partition"
)

// A plan is made from what Inspect found, here an A100 kept in a file, and a
// layout. A layout that does not fit comes with one that does.
func ExampleMakePlan() {
	data, err := os.ReadFile("testdata/cards/a100-40gb.json")
	if err != nil {
		log.Fatal(err)
	}
	var gpu partition.GPU
	if err := json.Unmarshal(data, &gpu); err != nil {
		log.Fatal(err)
	}
	state := partition.State{GPUs: []partition.GPU{gpu}}

	layout, err := partition.ParseLayout("4g.20gb(mps:50)+2x2g.10gb/2x1c")
	if err != nil {
		log.Fatal(err)
	}
	_, err = partition.MakePlan(state, layout)
	impossible, ok := errors.AsType[*partition.ImpossibleError](err)
	if !ok {
		log.Fatal(err)
	}
	fmt.Println(impossible.Reason)

	if layout, err = partition.ParseLayout(impossible.Fits); err != nil {
		log.Fatal(err)
	}
	plan, err := partition.MakePlan(state, layout)
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range plan.Steps() {
		fmt.Println(step)
	}
	fmt.Println("needs", plan.Needs())
	// Output:
	// has room for 1 of 2g.10gb beside 4g.20gb: 2g.10gb goes at 0, 2 and 4, and taken are 0:4 by 4g.20gb, 4:2 by 2g.10gb
	// gpu0 (GPU-a100-40gb): turn MIG on, which resets the GPU
	// gpu0 (GPU-a100-40gb): create 4g.20gb at 0:4
	// gpu0 (GPU-a100-40gb): create 2g.10gb at 4:2 with 1c at 0 and 1
	// gpu0 (GPU-a100-40gb): start an MPS daemon for 4g.20gb at 0:4 (mps:50)
	// needs [layout mode reset mps]
}
