package partition

// Peek gives what [Journal.Pending] of a state folder would, without its lock and
// without making the folder: the change may be under way still. An error wraps
// [io/fs.ErrPermission] if there is an entry that only another user may read.
func Peek(dir string) (Left, bool, error) { return (&Journal{dir: dir}).Pending() }
