"""What the tests of the page share: visits that notice everything, and a server in the API's place."""
