package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// partial is a file that is being written, beside where it goes. What is left of one that was
// killed is written over by the next.
type partial struct {
	*os.File
	final string
}

// openPartial opens the file that becomes final, empty, and keeps others from writing it.
func openPartial(final string) (*partial, error) {
	name := final + ".partial"
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		// The lock ends with the process, however it ends.
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("another export is writing %s", name)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		// Between the two, another may have finished it: then this one has its final name.
		if still, err := os.Stat(name); err == nil && sameFile(f, still) {
			return &partial{f, final}, f.Truncate(0)
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

func sameFile(f *os.File, other os.FileInfo) bool {
	info, err := f.Stat()
	return err == nil && os.SameFile(info, other)
}

// write fills the file and gives it its final name; if that fails, nothing is left of it.
func (p *partial) write(fill func(io.Writer) error) error {
	err := fill(p)
	if err == nil {
		err = p.Sync()
	}
	if err == nil {
		err = os.Rename(p.Name(), p.final)
	} else {
		err = errors.Join(err, os.Remove(p.Name()))
	}
	return errors.Join(err, p.Close())
}
