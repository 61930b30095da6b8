package results

import (
	"fmt"
	"io/fs"
)

// anyCell reports whether there is a cell.
func (r *runReader) anyCell() bool { return len(r.folders()) > 0 }

// folders names the folders of the cells that are there.
func (r *runReader) folders() []string {
	there, err := fs.ReadDir(r.root.FS(), cellsFolder) // what is wrong with it is told later
	if err != nil || checkDir(r.root, cellsFolder) != nil {
		return nil
	}
	var all []string
	for _, e := range there {
		if e.IsDir() && checkFolder(e.Name()) == nil {
			all = append(all, e.Name())
		}
	}
	return all
}

// lost takes the cells that are there for those that were planned.
func (r *runReader) lost(err error) {
	r.run.Environment = Environment{Schema: SchemaVersion, Lost: plain(err).Error(), Planned: r.folders()}
	r.damage(environmentFile, fmt.Errorf("%w: which cells were planned, by which program and where they were measured, is not known", plain(err)))
}
