package web

import (
	"errors"
	"io"

	"github.com/countersign/countersign/store"
)

// Bundles makes bundles of evidence, in the process that was asked for one.
type Bundles struct {
	// Server names this process.
	Server string
	// Start does, in the background, what a bundle that this server took is to have done: it is looked
	// at, or made. login is the organisation's.
	Start func(n store.Tenant, login string, taken store.Bundle)
	// Open opens the file of a bundle that was made, and says how long it is; ErrNotHere if this
	// server does not have it.
	Open func(of store.Bundle) (content io.ReadCloser, bytes int64, err error)
	// Locks says whether the settings have a bucket into which files are put, locked.
	Locks bool
}

// ErrNotHere: a file is beside another server, or was deleted.
var ErrNotHere = errors.New("the file is not here")
