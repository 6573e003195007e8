// A page that is opened from the disk may start no Worker. The search, which wants one, works in a frame instead.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const page = this.frame.contentDocument;
      page.open();
      page.close();
      this.frame.contentWindow.postMessage = (data) => setTimeout(() => this.onmessage?.({ data }));
      const script = page.createElement("script");
      script.src = address;
      this.loaded = new Promise((resolve, reject) => {
        script.onload = resolve;
        script.onerror = reject;
      });
      this.loaded.catch((error) => this.onerror?.(error));
      page.documentElement.append(script);
    }

    postMessage(data) {
      this.loaded.then(() => this.frame.contentWindow?.onmessage({ data }), () => {});
    }

    terminate() {
      this.frame.remove();
    }
  };
}
