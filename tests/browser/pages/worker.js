/** A worker with a recorder of its own, as a page has one. */
importScripts("/recorder.js", "/socketpeer.min.js");
postMessage("loaded");
