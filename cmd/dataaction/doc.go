// Command dataaction serves a Genesys Cloud Data Action that tells a flow who is
// calling: the package enrichment behind a listener. It calls a CRM and the
// Genesys Cloud Platform API through the Fender sidecar in its pod, which holds
// the credentials and the policies; it has neither.
//
//	CRM_BASE_URL=http://127.0.0.1:8080 GENESYS_BASE_URL=http://127.0.0.1:8080 dataaction
//
// There are no flags. The environment says it all; an empty variable, but for the
// token, is one that is not set:
//
//	LISTEN             address to listen at; default 127.0.0.1:3000. In a pod it is :3000,
//	                   behind whatever ends TLS. Port 0 takes a free one.
//	CRM_BASE_URL       required: where /v1/customers/{id} is. The sidecar.
//	GENESYS_BASE_URL   required: where /api/v2/analytics/… is. The sidecar.
//	TIMEOUT            default 5s, at most 1m: time for an answer, both lookups included.
//	                   Longer than the timeout.request of the sidecar's routes, shorter
//	                   than the action's timeoutSeconds.
//	DATA_ACTION_TOKEN  what callers must send as "Authorization: Bearer …". Not set: anybody
//	                   may ask who a customer is, and a warning says so. Set but empty is an
//	                   error: a secret that was not filled in must not open the door.
//
// Base URLs are absolute, http or https, without query and credentials; a path
// is put before that of each lookup. The environment's proxy variables are
// ignored.
//
// Beside the action there are GET /healthz (200 while the process serves; it
// asks nobody) and GET /metrics, for Prometheus. Neither wants the token: let
// only the action's path in from outside. The log goes to stderr, a JSON object
// a line; the bound address is in the line with msg=listening.
//
// SIGTERM and SIGINT stop it: nothing new is accepted, what is in progress has
// TIMEOUT and a second to finish. A second signal ends the process at once, with
// status 1. The exit status is 0 after a stop, 1 if it could not start or serve,
// 2 for a command line that is not empty.
package main
