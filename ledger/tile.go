package ledger

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is that of the tiles of https://c2sp.org/tlog-tiles: 256 hashes in each.
const tileHeight = 8

// Tile is a piece of the tree's hashes, by which whoever mirrors the log gets them.
type Tile struct{ tile tlog.Tile }

// ParseTile reads the path of a tile below "tile/", as https://c2sp.org/tlog-tiles writes it:
// its level, its index in groups of three digits, and for one that is not full ".p/" and its
// width. It returns ErrProof for anything else.
func ParseTile(path string) (Tile, error) {
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, path))
	if err != nil || t.L < 0 || strings.HasPrefix(path, "data/") {
		return Tile{}, fmt.Errorf("%w: %.100q is no tile", ErrProof, path)
	}
	return Tile{t}, nil
}

// Full says whether the tile is full: then it never changes.
func (t Tile) Full() bool { return t.tile.W == 1<<tileHeight }

// Hashes are the bytes of a tile of a tree of size leaves, one hash after another. It returns
// ErrProof for a tile that the tree does not have yet.
func (t Tile) Hashes(size int64, r HashReader) ([]byte, error) {
	// The hash on a level with a given index is there when all leaves below it are.
	last := t.tile.N<<tileHeight + int64(t.tile.W)
	below := tileHeight * t.tile.L
	if below >= 63 || last > size>>below {
		return nil, fmt.Errorf("%w: a tree of %d leaves has no such tile yet", ErrProof, size)
	}
	data, err := tlog.ReadTileData(t.tile, r)
	if err != nil {
		return nil, fmt.Errorf("read tile: %w", err)
	}
	return data, nil
}
