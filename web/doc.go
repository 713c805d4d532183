// Package web is the pages for people: what was decided and why, what waits for whom, and the
// evidence of it.
//
// Each page is one file, with its template beside it, and is made on the server. A page is rendered
// as a whole before anything of it is sent. Everything works without JavaScript; htmx, which is
// embedded, only makes it smoother. Nothing is loaded from anywhere else.
//
// Who may see what is asked of the store by a store.View: a page has no other way to an
// organisation's rows. How people sign in at GitHub is passed in, see GitHub.
package web
