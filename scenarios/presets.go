package scenarios

import (
	"embed"
	"path"
	"strings"
)

//go:embed presets/*.yaml
var presets embed.FS

// A PresetInfo names a scenario that comes with the program.
type PresetInfo struct {
	Name  string // as users type it
	About string // the scenario's own line
}

// Preset gives the file of a preset; the bytes are the caller's.
func Preset(name string) ([]byte, bool) {
	if strings.ContainsAny(name, `/\`) {
		return nil, false
	}
	data, err := presets.ReadFile(path.Join("presets", name+".yaml"))
	return data, err == nil
}

// Presets lists the presets, sorted by name.
func Presets() []PresetInfo {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	var all []PresetInfo
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".yaml")
		data, _ := Preset(name)
		info := PresetInfo{Name: name}
		if s, err := Read(e.Name(), data, Checks{}); err == nil {
			info.About = s.About
		}
		all = append(all, info)
	}
	return all
}
