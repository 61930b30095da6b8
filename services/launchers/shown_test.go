package launchers

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchers/docker"
	"github.com/evabench/evabench/services/launchers/external"
	"github.com/evabench/evabench/services/launchers/process"
)

// Every word of a scenario that becomes part of a command is shown before it is
// run, and every kind of launcher that runs one is in this test: a field of
// commands, arguments or variables is filled with a word of its own.
func TestEveryCommandIsShown(t *testing.T) {
	for _, k := range Kinds {
		var words []string
		l, err := Kinds.Build(kind.Spec{Name: k.Name, Decode: func(into any) error {
			switch c := into.(type) {
			case *process.Config:
				words = fill(&c.Argv, &c.Folder, &c.Env, &c.PassEnv)
			case *docker.Config:
				words = fill(&c.Command, &c.Image, &c.Argv, &c.Env, &c.PassEnv, &c.Network, &c.Options)
				c.Volumes, c.User, c.ShmSize, c.Memory, c.CPUs = []string{"/data:/volume"}, "1000:7", "11g", "12g", "0"
				words = append(words, "/data:/volume", "1000:7", "11g", "12g")
			case *external.Config:
				c.Instances = []external.Instance{{URL: "http://127.0.0.1:1"}}
				for _, command := range []*external.Command{&c.Adapt, &c.Release, &c.Restore, &c.Crash, &c.Revive} {
					words = append(words, fill(&command.Argv, &command.Folder, &command.Env, &command.PassEnv)...)
				}
			default:
				t.Fatalf("%s: no case of this test fills it", k.Name)
			}
			return nil
		}})
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		var lines []string
		if s, ok := l.(services.Starting); ok {
			lines = append(lines, s.Starts()...)
		}
		if c, ok := l.(services.Changing); ok {
			lines = append(lines, c.Changes()...)
		}
		if len(words) < 4 {
			t.Errorf("%s: only %v was filled", k.Name, words)
		}
		for _, word := range words {
			if !strings.Contains(strings.Join(lines, "\n"), word) {
				t.Errorf("%s: %s is not shown in %q", k.Name, word, lines)
			}
		}
	}
}

// filled counts the words, so that each is one of its own.
var filled = 0

// fill puts words into texts, lists and maps, and gives them.
func fill(all ...any) (words []string) {
	for _, into := range all {
		filled++
		word := fmt.Sprintf("word%03d", filled) // of one length: none holds another
		words = append(words, word)
		switch v := reflect.ValueOf(into).Elem(); v.Kind() {
		case reflect.String:
			v.SetString(word)
		case reflect.Slice:
			v.Set(reflect.ValueOf([]string{word}))
		default:
			v.Set(reflect.ValueOf(map[string]string{"NAME": word}))
		}
	}
	return words
}
