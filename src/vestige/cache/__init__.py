"""What is kept between audits: decoded rows, feature rows, earlier runs."""
