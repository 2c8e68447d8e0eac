"""The function app that the local host's tests run."""

import json
import logging
import os
import threading
import time

import azure.functions as func

from functions import _entry

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
ticks: list[bool] = []
resting = threading.Lock()
logging.getLogger("azure").setLevel(logging.WARNING)


@app.route("/")
def home(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("home")


@app.route("echo/{name}/{last?}")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().hex(),
        "thread": threading.current_thread().name,
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route("whisper")
def whisper(req: func.HttpRequest) -> func.HttpResponse:
    library = logging.getLogger("azure.sample")
    library.debug("whispered")
    library.info("whispered")
    logging.info("said aloud")
    return func.HttpResponse("")


@app.route("mirror")
def mirror(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("mirrored %d", len(req.get_body()))
    return func.HttpResponse(req.get_body(), mimetype="application/octet-stream")


@app.route("cookies")
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("two", headers={"Cache-Control": "private"})
    response.headers.add("Set-Cookie", "__Host-a=A-_1; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60")
    response.headers.add("Set-Cookie", "b=x+y/z=; Path=/; Expires=Wed, 21 Oct 2037 07:28:00 GMT")
    return response


@app.route("posted", methods=["POST"])
def posted(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("posted")


@app.route("status/{code}")
def status(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("body", status_code=int(req.route_params["code"]))


@app.route("none")
def none(req: func.HttpRequest) -> func.HttpResponse:
    return None


@app.route("raises")
def raises(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("a failure to be logged")


@app.route("foreign-letters")
def foreign_letters(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", headers={"X-Name": "Bj\u00f6rn"})


@app.route("slow/{seconds}")
def slow(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("slow begins")
    time.sleep(float(req.route_params["seconds"]))
    return func.HttpResponse("slow")


@app.route("coroutine")
async def coroutine(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("async")


@app.route("environment/{name}")
def environment(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ.get(req.route_params["name"], "(absent)"))


@app.route("services")
def services(req: func.HttpRequest) -> func.HttpResponse:
    built = _entry.services()
    seen = {"label": built.label, "now": built.now().isoformat(), "builds": built.builds}
    return func.HttpResponse(json.dumps(seen))


@app.route("logs")
def logs(req: func.HttpRequest) -> func.HttpResponse:
    logging.getLogger("sample").info("said at info")
    logging.getLogger("sample").debug("said at debug")
    logging.getLogger("azure.core").info("azure at info")
    logging.getLogger("azure.core").warning("azure at warning")
    return func.HttpResponse("logged")


@app.route("ticks")
def counted(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(len(ticks)))


@app.timer_trigger(arg_name="timer", schedule="%TICK_SCHEDULE%")
def tick(timer: func.TimerRequest) -> None:
    if not resting.acquire(blocking=False):
        raise RuntimeError("two runs at a time")
    try:
        time.sleep(float(os.environ.get("TICK_SECONDS", "0")))
    finally:
        resting.release()
    ticks.append(timer.past_due)
    if os.environ.get("TICK_FAILS"):
        raise RuntimeError("a failed tick")


@app.route("{*path}")
def zz_not_found(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"lost:{req.route_params.get('path')}", status_code=404)
