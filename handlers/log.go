package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// LogPath is where anybody reads the logs of organisations, as https://c2sp.org/tlog-tiles says:
// LogPath, the organisation's numeric id, and then "/checkpoint", "/tile/…" or "/keys". There are
// hashes and keys, and nothing else.
const LogPath = "/log/"

func (h *Handlers) checkpoint(w http.ResponseWriter, r *http.Request) {
	tenant, ok := h.logOf(w, r)
	if !ok {
		return
	}
	signed, err := tenant.CosignedCheckpoint(r.Context())
	if err != nil {
		h.refuseLog(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	h.write(w, signed)
}

// keys lists the keys that ever signed the log, oldest first: the smallest size of a checkpoint that
// each signs, the origin of these checkpoints, and the key.
func (h *Handlers) keys(w http.ResponseWriter, r *http.Request) {
	tenant, ok := h.logOf(w, r)
	if !ok {
		return
	}
	keys, err := tenant.LogKeys(r.Context())
	if err != nil {
		h.refuseLog(w, err)
		return
	}
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%d %s %s\n", k.From, k.Origin, k.Public)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	h.write(w, []byte(b.String()))
}

func (h *Handlers) tile(w http.ResponseWriter, r *http.Request) {
	tenant, ok := h.logOf(w, r)
	if !ok {
		return
	}
	tile, err := ledger.ParseTile(r.PathValue("tile"))
	if err != nil {
		http.Error(w, "there is no such tile", http.StatusNotFound)
		return
	}
	hashes, err := tenant.Tile(r.Context(), tile)
	if err != nil {
		h.refuseLog(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	h.write(w, hashes)
}

// logOf is the tenant whose log is asked for.
func (h *Handlers) logOf(w http.ResponseWriter, r *http.Request) (store.Tenant, bool) {
	org, err := strconv.ParseInt(r.PathValue("organisation"), 10, 64)
	if err != nil || org <= 0 || strconv.FormatInt(org, 10) != r.PathValue("organisation") {
		http.Error(w, "there is no such log", http.StatusNotFound)
		return store.Tenant{}, false
	}
	return h.Store.Tenant(org), true
}

func (h *Handlers) refuseLog(w http.ResponseWriter, err error) {
	if errors.Is(err, store.ErrNotFound) {
		http.Error(w, "there is no such log, or it does not have this yet", http.StatusNotFound)
		return
	}
	h.Log.Error().Err(err).Msg("a log could not be read")
	http.Error(w, "the log could not be read", http.StatusInternalServerError)
}

func (h *Handlers) write(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		h.Log.Debug().Err(err).Msg("an answer was not taken")
	}
}
