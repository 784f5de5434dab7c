// Package match chooses the route of a request: by host, path, headers and
// method, the most specific route first.
//
// A path pattern is made of literal segments, {name}, which takes one segment
// that is not empty, and at its end {name...}, which takes the rest, possibly
// empty; the slash before it is needed. Segments are split at the slashes of
// the path as it was sent, so that %2F never splits, and compared decoded.
//
// Of several routes that match, the one is taken that comes first in this
// order, whatever their order in the configuration:
//
//   - a route with a host before one without;
//   - segment by segment from the left, a literal before {name} before
//     {name...};
//   - more headers before fewer; of as many but different ones, the route that
//     comes first in the configuration.
//
// Only then is the method looked at: a route that does not take it leaves the
// request to the next in this order. A route for GET takes HEAD too, unless
// another route for just the same host, path and headers names HEAD.
//
// Nothing here redirects, cleans or rewrites: a path is matched as it was sent
// or refused.
package match
