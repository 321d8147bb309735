// Not a module: it reports that modules cannot run here.
{
  let trouble = "";
  if (location.protocol === "file:") {
    trouble =
      "Browsers do not let a page opened as a file read the model beside it. " +
      "Run “python -m http.server” in this folder and open http://localhost:8000.";
  } else if (!("WebAssembly" in window && "CompressionStream" in window)) {
    trouble = "This browser is too old for this page: it needs WebAssembly and CompressionStream.";
  }
  if (trouble) {
    const message = document.getElementById("message");
    message.textContent = trouble;
    message.className = "error";
  }
}
