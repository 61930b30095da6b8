package migparted_test

import (
	"fmt"

	"github.com/evabench/evabench/partition/migparted"
)

// A configuration file is read, and one configuration of it made a layout for the
// two GPUs of a server.
func Example() {
	f, err := migparted.Read("config.yaml", []byte(`version: v1
mig-configs:
  half:
    - devices: [0]
      mig-enabled: true
      mig-devices:
        "4g.20gb": 1
        "1c.2g.10gb": 2
        "1g.5gb": 1
    - devices: [1]
      mig-enabled: false
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := f.Layout("half", []migparted.GPU{{Index: 0}, {Index: 1}})
	fmt.Println(f.Names(), l, err)
	// Output: [half] gpu0: 4g.20gb+2g.10gb/2x1c+1g.5gb; gpu1: off <nil>
}
