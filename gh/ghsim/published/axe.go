package published

// AxeCore is not GitHub's: it is the checker of accessibility that tests run in every page.
//
// Source: https://www.npmjs.com/package/axe-core
var AxeCore = Material{
	Title:     "axe-core",
	Package:   "axe-core",
	Version:   "4.14.1",
	Path:      "package/axe.min.js",
	SHA256:    "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
	CacheName: "axe-core-4.14.1.js.gz",
}
