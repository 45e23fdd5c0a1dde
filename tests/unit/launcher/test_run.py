"""What settings become."""

from iotsphere.settings import Settings
from launcher.run import own_origins


def test_the_dashboard_s_pages_may_connect_under_every_name_of_the_machine() -> None:
    found = own_origins(Settings(http_port=8080, public_host=("IoT.example",)))
    assert found == {
        f"{scheme}://{name}:8080" for scheme in ("http", "https") for name in ("iot.example", "localhost", "127.0.0.1")
    }


def test_a_port_that_browsers_leave_out_is_left_out() -> None:
    assert {"http://localhost", "https://localhost:80"} < own_origins(Settings(http_port=80))
