// The Worker's entry, a template for worker-build's CUSTOM_SHIM: it instantiates the module and exports `fetch` plainly.
//
// worker-build's own shim wraps each request in two Proxies to recover from panics; here a `try` and, for answers that
// need I/O, one promise more do. Either way the caller gets a 503 problem and the next request a fresh instance.
import * as imports from "./index_bg.js";
import wasm from "./index.wasm";
$SNIPPET_JS_IMPORTS

const modules = {
	"./index_bg.js": imports,
	$SNIPPET_WASM_IMPORTS
};

// wasm-bindgen's reset function looks these three up where it was made for another target; as globals it finds them.
globalThis.wasmModule = wasm;
globalThis.wasmInstance = new WebAssembly.Instance(wasm, modules);
globalThis.__wbg_get_imports = () => modules;

imports.__wbg_set_wasm(globalThis.wasmInstance.exports);
globalThis.wasmInstance.exports.__wbindgen_start();

// The binding with which Rust would ask for a fresh instance: the next call then begins with one. It is called from here
// because an instance that ran out of stack or memory cannot.
const [, reinitialise] = Object.entries(imports).find(([name]) => name.includes("__wbindgen_reinit"));

// That next call is made here and at once, with an export that does nothing else. Were it left to a callback of the lost
// instance, which may be queued already, this would pass wasm-bindgen's check for callbacks of former instances, bring in the
// fresh instance, and then run there with addresses of the lost one.
function replaceInstance() {
	try {
		reinitialise();
		imports.__worker_init_state();
	} catch (error) {
		// No memory for another, say: the next request tries again.
		console.error(JSON.stringify({ level: "error", event: "instance_not_replaced", detail: String(error) }));
		reinitialise();
	}
}

// Those who wait for an answer of the present instance, each with a way to stop waiting.
let waiting = new Set();

function instanceIsLost(error) {
	console.error(JSON.stringify({ level: "error", event: "instance_lost", detail: String(error) }));
	replaceInstance();
	const lost = waiting;
	waiting = new Set();
	for (const giveUp of lost) giveUp();
}

// The panic hook of the `worker` crate sets this property: in asynchronous code that is all one hears of a panic.
Object.defineProperty(globalThis.__worker_init_state, "criticalError", {
	set: (critical) => critical && instanceIsLost("panic"),
});

function unavailable() {
	const id = crypto.randomUUID();
	const problem = {
		type: "https://echoes.dev/problems/unavailable",
		title: "The service is not available just now",
		status: 503,
		detail: "the request could not be completed",
		instance: id,
	};
	return new Response(JSON.stringify(problem), {
		status: 503,
		headers: {
			"content-type": "application/problem+json",
			"cache-control": "no-store",
			"retry-after": "1",
			"access-control-allow-origin": "*",
			"access-control-expose-headers":
				"echoes-request-id, echoes-region, cache-status, server-timing, etag, age, location, retry-after, allow, www-authenticate",
			"x-content-type-options": "nosniff",
			"cache-status": "echoes-edge; detail=unavailable",
			"echoes-request-id": id,
		},
	});
}

function failed(error, instance) {
	if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
		// A panic was heard of already when it comes here as a trap: the fresh instance is to stay.
		if (instance === globalThis.wasmInstance) instanceIsLost(error);
	} else console.error(JSON.stringify({ level: "error", event: "unexpected", detail: String(error) }));
	return unavailable();
}

function waitFor(answer, instance) {
	return new Promise((resolve) => {
		const giveUp = () => resolve(undefined);
		const mine = waiting;
		mine.add(giveUp);
		answer.then(resolve, (error) => resolve(failed(error, instance))).finally(() => mine.delete(giveUp));
	}).then((response) => response ?? unavailable());
}

export default {
	fetch(request, env, context) {
		const instance = globalThis.wasmInstance;
		try {
			const answer = imports.answer(request, env, context);
			return answer instanceof Response ? answer : waitFor(answer, instance);
		} catch (error) {
			return failed(error, instance);
		}
	},
};
